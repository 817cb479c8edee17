#!/bin/bash
# packages.sh: installs what is missing of packages.txt, as root or through sudo.  Uses no network when all is there.
#
# packages.txt names the packages of PostgreSQL 15; when PG_CONFIG is that of another major of Debian's, whether
# already there (its bindir tells) or not (its path does), they are that major's.
#
# Installing must not start anything: the postgresql package would make and start a cluster of its own, and the node
# exporter a service.  So while apt runs, a policy-rc.d forbids starting services and createcluster.conf forbids the
# cluster; both are put back afterwards.
set -eu
cd "$(dirname "$0")/.."

command -v dpkg-query >/dev/null || { echo "not a Debian system: the packages of packages.txt are yours to install"; exit 0; }

pg_config=${PG_CONFIG:-pg_config}
bindir=$("$pg_config" --bindir 2>/dev/null || dirname "$pg_config")
major=$(sed -nE 's|^/usr/lib/postgresql/([0-9]+)/bin$|\1|p' <<<"$bindir")
major=${major:-15}

missing=()
while read -r package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done < <(sed "s/#.*//; /^[[:space:]]*\$/d; s/^\(postgresql-.*\)15\$/\1$major/" packages.txt)
if [ ${#missing[@]} = 0 ]; then echo "packages: all there"; exit 0; fi
echo "packages: installing ${missing[*]}"

if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "error: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
    exec sudo -- env PG_CONFIG="$pg_config" bash "$0"
fi

export DEBIAN_FRONTEND=noninteractive
apt_install() {
    apt-get install -y -q --no-install-recommends "$@" || { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; }
}

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
put_back() {
    [ -z "${own_policy:-}" ] || rm -f $policy
    [ ! -e $clusters.pgtsdb ] || mv $clusters.pgtsdb $clusters
}
trap put_back EXIT

if [ ! -e $policy ]; then
    own_policy=1
    printf '#!/bin/sh\nexit 101\n' > $policy
    chmod 755 $policy
fi
case " ${missing[*]} " in
    *" postgresql-$major "*)
        apt_install postgresql-common
        cp -p $clusters $clusters.pgtsdb
        echo 'create_main_cluster = false' >> $clusters
        ;;
esac
apt_install "${missing[@]}"
