#!/bin/sh
# Keeps a folder from which the database can be brought back to any moment (restore.sh does that), until it is told to end:
#
#   FOLDER/base/TIME/   whole copies, one a day, named by the UTC time at which they were complete; three are kept
#   FOLDER/wal/         every change since the oldest of them, as it is committed
#
#   backup.sh FOLDER
#
# PGHOST, PGUSER (which may replicate) and PGPASSWORD say whose. It ends where Postgres does, or fails, and is to be started again.
# A slot makes Postgres keep what was not fetched meanwhile, up to its max_slot_wal_keep_size; where that was too little, it fails
# each time: then drop the slot, and begin with an empty folder.
set -eu
umask 077
export LC_ALL=C

folder=$1
slot=danbao_backup
copies=3
mkdir -p "$folder/base" "$folder/wal"

complete() { find "$folder/base" -mindepth 1 -maxdepth 1 -name '*Z' "$@" | sort; }

pg_receivewal --directory="$folder/wal" --slot=$slot --create-slot --if-not-exists # before the first copy: nothing is in between
pg_receivewal --directory="$folder/wal" --slot=$slot --synchronous --no-loop &
receiver=$!
trap 'kill "$receiver" && wait "$receiver" || :; exit 0' INT TERM

while kill -0 "$receiver" 2>/dev/null; do
	if [ -z "$(complete -mmin -1440)" ]; then
		rm -rf "$folder/base/partial"
		pg_basebackup --pgdata="$folder/base/partial" --checkpoint=fast
		touch "$folder/base/partial" # its age counts from its end
		name=$(psql --dbname=postgres --no-align --tuples-only \
			--command="SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
		mv "$folder/base/partial" "$folder/base/$name"
		complete | head -n -$copies | while read -r old; do rm -rf "$old"; done
		oldest=$(complete | head -n 1)
		pg_archivecleanup "$folder/wal" "$(sed -n 's/^START WAL LOCATION: .* (file \(.*\))$/\1/p' "$oldest/backup_label")"
	fi
	sleep 5 >/dev/null 2>&1 &
	wait $! || :
done
wait "$receiver"
