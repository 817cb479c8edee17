# common.sh: what the test runner and the demo share.  Sourced by bash scripts that set -eu.
#
# Servers never run as root: as root everything that starts one goes through as_user.  They run from a
# copy of the PostgreSQL installation ("stage") into which pgtsdb is installed, so that the system's own
# installation and clusters are neither needed as a place to write nor touched.
#
# The work folder is inside the checkout when the unprivileged user can reach it, and a temporary folder
# when not (a checkout below /root); a symbolic link in the checkout then points there.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
pg_config=${PG_CONFIG:-pg_config}
umask 022

say()  { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The account of the servers: postgres (made by Debian's package) or nobody for root, else ourselves.
if [ "$(id -u)" = 0 ]; then
    if id postgres >/dev/null 2>&1; then run_as=postgres; else run_as=nobody; fi
    run_group=$(id -gn "$run_as" 2>/dev/null || echo nogroup)
else
    run_as=$(id -un)
    run_group=$(id -gn)
fi

# What to put before a command so that it runs as that account.
user_prefix=()
if [ "$(id -u)" = 0 ]; then
    user_prefix=(setpriv "--reuid=$run_as" "--regid=$run_group" --init-groups --inh-caps=-all --
        env HOME=/nonexistent "USER=$run_as" "LOGNAME=$run_as")
fi
as_user() { "${user_prefix[@]}" "$@"; }

# give_to_user PATH...: makes the account their owner.
give_to_user() { [ "$(id -u)" != 0 ] || chown "$run_as:" "$@"; }

# work_folder LINK: sets $work to a folder that the servers' account can reach and the checkout's LINK leads to.
work_folder() {
    local link=$top/$1
    mkdir -p "$(dirname "$link")"
    if [ -e "$link" ]; then
        work=$(cd "$link" && pwd -P)
        as_user test -x "$work" && return
        fail "$run_as cannot use $work: remove it and its link $link"
    fi
    [ ! -L "$link" ] || rm "$link"
    if as_user test -r "$top/Makefile"; then
        work=$link
        mkdir "$work"
    else
        work=$(mktemp -d "${TMPDIR:-/tmp}/pgtsdb.XXXXXX")
        chmod 755 "$work"
        ln -s "$work" "$link"
        say "$run_as cannot read $top: working in $work"
    fi
}

# remove_work LINK: removes what work_folder made.
remove_work() {
    local link=$top/$1
    if [ -L "$link" ]; then rm -rf "$(readlink "$link")"; fi
    rm -rf "$link"
}

# stage DIR: a copy of the server's installation under DIR with the current build of pgtsdb in it; sets $bindir and $pkglibdir.
#
# PostgreSQL's programs find their libraries and shared files relative to their own place, as long as all
# folders keep their positions to each other: /usr/lib/postgresql/15/bin becomes DIR/usr/lib/postgresql/15/bin.
stage() {
    local root=$1 dir
    local version; version=$("$pg_config" --version)
    bindir=$root$("$pg_config" --bindir)
    pkglibdir=$root$("$pg_config" --pkglibdir)
    if [ "$(cat "$root/version" 2>/dev/null)" != "$version" ]; then
        rm -rf "$root"
        for dir in --bindir --pkglibdir --sharedir; do
            dir=$("$pg_config" $dir)
            [ -d "$root$dir" ] && continue
            mkdir -p "$root$(dirname "$dir")"
            cp -RL "$dir" "$root$dir"
        done
        rm -rf "$pkglibdir/bitcode"
        printf '%s\n' "$version" > "$root/version"
    fi
    rm -f "$pkglibdir"/pgtsdb*.so
    make -s -C "$top" install DESTDIR="$root" PG_CONFIG="$pg_config" >/dev/null
    [ "$("$bindir/pg_config" --sharedir)" = "$root$("$pg_config" --sharedir)" ] ||
        fail "the PostgreSQL of $pg_config cannot be relocated: its folders have no common parent"
}
