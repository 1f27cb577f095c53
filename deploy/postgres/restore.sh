#!/bin/sh
# Makes data for a Postgres of the same major version out of what backup.sh keeps: as they were at a moment, or with the last change
# that is kept.
#
#   restore.sh FOLDER NEW-DATA [TIME]        TIME like 2026-03-01T12:30:00Z, in UTC
#
# Run it as the user that runs Postgres. Where nothing was committed after TIME, it says that recovery ended before it was reached:
# leave TIME out.
set -eu
umask 077
export LC_ALL=C

folder=$(CDPATH='' cd -- "$1" && pwd)
data=$2
time=${3:-}
case $time in
'' | [0-9]*-*-*T*:*:*Z) ;;
*) echo "$time is no time like 2026-03-01T12:30:00Z" >&2 && exit 2 ;;
esac
case $folder in
*[\'\"\\%]*) echo "$folder has a quote, a backslash or a percent sign in its name" >&2 && exit 2 ;;
esac

copy=
for each in "$folder"/base/*Z; do # the last one that was complete by then; they come in the order of their times
	name=${each##*/}
	[ -z "$time" ] || [ "$(printf '%s\n' "${name%Z}" "${time%Z}" | sort | head -n 1)" = "${name%Z}" ] || break
	copy=$each
done
[ -d "$copy" ] || {
	echo "$folder holds no copy that was complete by ${time:-now}" >&2
	exit 1
}

mkdir "$data" # what is there already is not touched
cp -R "$copy/." "$data"
{
	echo "restore_command = 'cp \"$folder/wal/%f\" \"%p\" || cp \"$folder/wal/%f.partial\" \"%p\"'"
	echo "recovery_target_action = 'promote'"
	[ -z "$time" ] || echo "recovery_target_time = '${time%Z}+00'"
} >>"$data/postgresql.auto.conf"
touch "$data/recovery.signal"

# Nobody can connect meanwhile.
pg_ctl start --silent --no-wait --pgdata="$data" --log="$data/restore.log" \
	--options="-c hot_standby=off -c listen_addresses= -c unix_socket_directories='$data'"
until [ ! -e "$data/recovery.signal" ] && pg_controldata "$data" | grep -q 'cluster state: *in production'; do
	sleep 1
	pg_ctl status --pgdata="$data" >/dev/null || {
		tail -n 20 "$data/restore.log" >&2
		exit 1
	}
done
pg_ctl stop --silent --wait --pgdata="$data"
cp "$copy/postgresql.auto.conf" "$data/postgresql.auto.conf"
rm "$data/restore.log"
echo "made $data out of ${copy##*/}${time:+, as they were at $time}"
