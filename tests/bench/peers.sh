#!/bin/sh
# peers.sh [DIR]
#
# Installs the programs that we measure against in a Debian tree of their own (default /opt/peers), so that nothing
# of the machine's own distribution changes: dnsdist 2.1, dnsperf.  Needs root and debootstrap; some minutes the first
# time, nothing the second.  Programs in it run as 'chroot DIR program'.  For benchmarks, not for CI.
set -eu
dir=${1:-/opt/peers}

fail() { echo "peers.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root (chroot, bind mounts)"
command -v debootstrap >/dev/null || fail "needs debootstrap: apt-get install debootstrap"

[ -e "$dir/etc/debian_version" ] || debootstrap --variant=minbase sid "$dir"
for m in proc dev sys; do
	mountpoint -q "$dir/$m" || mount --bind "/$m" "$dir/$m"
done
cp /etc/resolv.conf "$dir/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d" # no services in there
chmod +x "$dir/usr/sbin/policy-rc.d"
if [ ! -x "$dir/usr/bin/dnsdist" ] || [ ! -x "$dir/usr/bin/dnsperf" ]; then
	chroot "$dir" apt-get update
	chroot "$dir" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends dnsdist dnsperf
fi
chroot "$dir" dnsdist --version | head -n 1
