#!/bin/bash
# run.sh LAYER: runs one layer of the tests that need a server, or "all" for everything, and counts.
#
#   installcheck   pg_regress on test/sql with test/expected
#   isolation      the isolation tester on test/isolation
#   prove          TAP: test/t; PROVE_TESTS chooses files
#   all            packages, build, core-check, unit, and the three above; the last line is "N passed, N failed"
#
# Each server is made for its test and lives in a work folder that is removed when all went well; when
# something failed the folder stays, and its logs with it.
set -eu -o pipefail
. "$(dirname "$0")/../scripts/common.sh"
cd "$top"

passed=0
failed=0

# count NAME P F: adds to the sums.  A layer that reports nothing has failed.
count() {
    local good=$2 bad=$3
    [ $((good + bad)) != 0 ] || bad=1
    say "-- $1: $good passed, $bad failed"
    passed=$((passed + good))
    failed=$((failed + bad))
}

# lines PATTERN FILE: how many lines match.
lines() { grep -cE "$1" "$2" || true; }

# The work folder, a staged server, and the tests where the servers' account can read them.
prepare() {
    work_folder build/test
    stage "$work/stage"
    tests=$top/test
    if ! as_user test -r "$tests/run.sh"; then
        rm -rf "$work/test" "$work/docs"
        cp -R test docs "$work/"
        chmod -R a+rX "$work/test" "$work/docs"
        tests=$work/test
    fi
    pgxs=$pkglibdir/pgxs/src/test
    export PATH="$bindir:$PATH" LC_ALL=C
}

# A folder of the layer that the servers' account owns.
layer_folder() {
    rm -rf "${work:?}/$1"
    mkdir "$work/$1"
    give_to_user "$work/$1"
}

# internal_errors LAYER LOG...: no message of ours may be an internal error, whatever it was that the user did.  The servers
# of the tests log the SQLSTATE behind the process id.
internal_errors() {
    local layer=$1 found
    shift
    found=$(grep -hE '\] XX000 ' "$@" | head -20 || true)
    [ -n "$found" ] || return 0
    say "internal errors in the server's log:"
    printf '%s\n' "$found"
    count "$layer, internal errors" 0 1
}

# regress LAYER PROGRAM INPUTDIR TEST...: pg_regress and the isolation tester speak alike.
regress() {
    local layer=$1 program=$2 input=$3 log=$work/$1.log good bad rc=0
    shift 3
    layer_folder "$layer"
    (cd "$work/$layer" && as_user "$program" --bindir="$bindir" --inputdir="$input" --outputdir="$work/$layer" \
        --temp-instance="$work/$layer/instance" --temp-config="$tests/regress.conf" --no-locale --encoding=UTF8 \
        --dlpath="$pkglibdir" --load-extension=pgtsdb --dbname="${layer}_pgtsdb" "$@") 2>&1 | tee "$log" || rc=1
    [ ! -s "$work/$layer/regression.diffs" ] || cat "$work/$layer/regression.diffs"
    # up to 15: "test name ... ok"; from 16 on TAP
    good=$(lines '^test .* \.\.\. ok|^ok +[0-9]' "$log")
    bad=$(lines '^(test|     ) .* \.\.\. (FAILED|failed)|^not ok +[0-9]' "$log")
    # A test without expected output ends the program, which then counts nothing.
    [ $rc = 0 ] || [ "$bad" != 0 ] || bad=1
    count "$layer" "$good" "$bad"
    internal_errors "$layer" "$work/$layer/log/postmaster.log"
}

names() { find "$1" -name "*.$2" -exec basename {} ".$2" \; | sort; }

run_installcheck() {
    # shellcheck disable=SC2046
    regress installcheck "$pgxs/regress/pg_regress" "$tests" $(names "$tests/sql" sql)
}

run_isolation() {
    # shellcheck disable=SC2046
    regress isolation "$pgxs/isolation/pg_isolation_regress" "$tests/isolation" $(names "$tests/isolation/specs" spec)
}

run_prove() {
    local log=$work/prove.log files=()
    layer_folder prove
    if [ -n "${PROVE_TESTS:-}" ]; then
        for file in $PROVE_TESTS; do files+=("$tests/t/$(basename "$file")"); done
    else
        files=("$tests"/t/*.pl)
    fi
    # The log has every line of TAP for the counting; the screen shows what prove makes of it.
    (cd "$work/prove" && as_user env TESTDIR="$work/prove" TESTDATADIR="$work/prove/tmp_check" \
        TESTLOGDIR="$work/prove/tmp_check/log" PG_REGRESS="$pgxs/regress/pg_regress" \
        prove -v --timer --merge -I "$pgxs/perl" -I "$tests/perl" "${files[@]}") > "$log" 2>&1 || true
    grep -E '^(\[.*\.\. *$|ok +[0-9]+ ms|not ok|All tests|Files=|Result:|  Failed|Test Summary|# +(Failed|at|got|expected|Looks))|\(Wstat' "$log" || true
    # A script that dies or plans otherwise may have no "not ok" of its own.
    local bad; bad=$(awk '(/^not ok / && !/# TODO/) || /\(Wstat: [1-9].* Failed: 0\)$/ { n++ } END { print n + 0 }' "$log")
    grep -q '^Result: PASS' "$log" || [ "$bad" != 0 ] || bad=1
    count prove "$(lines '^ok [0-9]+( -|$)' "$log")" "$bad"
    internal_errors prove "$work"/prove/tmp_check/log/*.log
}

run_unit() {
    local log; log=$(mktemp)
    make -s -k -j2 unit PG_CONFIG="$pg_config" 2>&1 | tee "$log" || true
    local good bad
    good=$(sed -nE 's/^[a-z_0-9]+: ([0-9]+) passed, [0-9]+ failed$/\1/p' "$log" | paste -sd+ | bc_)
    bad=$(sed -nE 's/^[a-z_0-9]+: [0-9]+ passed, ([0-9]+) failed$/\1/p' "$log" | paste -sd+ | bc_)
    # What a sanitizer ends prints no count.
    ! grep -qE 'ERROR: |runtime error|\*\*\* ' "$log" || [ "$bad" != 0 ] || bad=1
    rm -f "$log"
    count unit "$good" "$bad"
}

bc_() { local sum; read -r sum || sum=0; echo $((sum)); }

run_core_check() {
    if make -s core-check PG_CONFIG="$pg_config"; then count core-check 1 0; else count core-check 0 1; fi
}

case ${1:-all} in
    installcheck | isolation | prove)
        prepare
        "run_$1"
        ;;
    all)
        bash scripts/packages.sh
        make -s -j2 PG_CONFIG="$pg_config"
        run_core_check
        run_unit
        prepare
        run_installcheck
        run_isolation
        run_prove
        ;;
    *) fail "no such layer: $1" ;;
esac

if [ $failed = 0 ]; then cp "$work"/*.log build/ 2>/dev/null || true; remove_work build/test; else say "logs: $(readlink -f build/test)"; fi
say "$passed passed, $failed failed"
[ $failed = 0 ]
