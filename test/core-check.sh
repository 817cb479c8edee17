#!/bin/bash
# core-check.sh: holds src/core to its rules, on the objects that ship.
#
#   includes   C11 standard headers, PCRE2, snappy, xxHash and headers of the core, nothing of the server
#   arrows     a room includes only itself and rooms before it in src/README.md
#   symbols    what the objects need from outside stands in test/core-symbols.txt
#   state      no variable that can change
#   made       the pieces of labels are those of their list
#   complete   no library wants a name of ours that none of them has
#   exports    what the libraries show to the whole server has a name of ours (they load with RTLD_GLOBAL)
set -eu
cd "$(dirname "$0")/.."
bad=0
complain() { echo "core-check: $1"; sed 's/^/    /'; bad=1; }

std='assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|tgmath|threads|time|uchar|wchar|wctype'
found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include' src/core --include='*.[ch]' |
    grep -vE "include <(($std)\.h|pcre2\.h|snappy-c\.h|xxhash\.h)>|include \"core/[a-z0-9_/]+\.(h|inc)\"" || true)
[ -z "$found" ] || complain "an include that the core may not have" <<<"$found"

# arrows FOLDER PREFIX ROOM...: files of FOLDER/ROOM include "PREFIX/OTHER/..." for no OTHER that comes later.
arrows() {
    local folder=$1 prefix=$2 room later
    shift 2
    while [ $# -gt 1 ]; do
        room=$1
        shift
        later=$(IFS='|'; echo "$*")
        [ ! -d "$folder/$room" ] || grep -rnE "#include \"$prefix/($later)/" "$folder/$room" || true
    done
}
found=$(arrows src/core core base regex labels samples chunk postings ingest promql json notify rules
        arrows src/pg pg types am storage query worker outbound
        grep -rn '#include "\(scraper\|gateway\)/' src || true)
[ -z "$found" ] || complain "an include of a room that is built on this one" <<<"$found"

objects=$(find src/core -name '*.o' | sort)
# Objects of sources that are gone are not part of the library.
objects=$(for o in $objects; do [ ! -f "${o%.o}.c" ] || echo "$o"; done)

allowed=$(sed 's/#.*//; /^[[:space:]]*$/d' test/core-symbols.txt | tr -s ' \n' '\n' | sed '/^$/d' | paste -sd'|')
# glibc from 2.38 on has the functions of C23 under this prefix.
found=$(nm -A -u $objects | awk '{print $1, $NF}' | sed 's/ __isoc23_/ /' | grep -vE " ($allowed|tsdb_[a-z0-9_]+|__[a-z]+_chk|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail)$" || true)
[ -z "$found" ] || complain "a symbol that is not in test/core-symbols.txt" <<<"$found"

found=$(for o in $objects; do
    objdump -t "$o" | awk -v o="$o" '($4 == ".data" || $4 == ".bss" || $4 == "*COM*" || $3 == "*COM*") && $NF !~ /^\./ {print o, $NF}
                                     $3 == ".data" || $3 == ".bss" {if ($NF !~ /^\./) print o, $NF}'
done | sort -u)
[ -z "$found" ] || complain "a variable that can change" <<<"$found"

found=$(perl scripts/label_pieces.pl < src/core/labels/pieces.txt | cmp - src/core/labels/pieces.inc 2>&1 || true)
[ -z "$found" ] || complain "src/core/labels/pieces.inc is not what scripts/label_pieces.pl makes" <<<"$found"

libraries=$(find . -maxdepth 1 -name "pgtsdb*.so")
found=$(comm -23 <(nm -D -u $libraries | awk '$NF ~ /^(pg)?tsdb_/ {print $NF}' | sort -u) \
                 <(nm -D --defined-only $libraries | awk '{print $NF}' | sort -u))
[ -z "$found" ] || complain "a name that no library defines" <<<"$found"

for library in pgtsdb.so pgtsdb_scraper.so; do
    [ -f $library ] || continue
    found=$(nm -D --defined-only $library | awk '{print $NF}' |
        grep -vE '^(pgtsdb_[a-z0-9_]+|tsdb_[a-z0-9_]+|pg_finfo_pgtsdb_[a-z0-9_]+|pg_finfo_tsdb_[a-z0-9_]+|_PG_init|Pg_magic_func)$' || true)
    [ -z "$found" ] || complain "an exported name of $library that is not ours" <<<"$found"
done

[ $bad != 0 ] || echo "core-check: $(wc -w <<<"$objects") objects, all rules kept"
exit $bad
