#!/bin/sh
# Makes what docker-compose.yml needs and nobody else may have, in this folder or the one named:
#
#   .env            random passwords and the hash key; one that is there stays as it is
#   ca/             an authority of your own (ca.key never leaves it); one that is there goes on signing
#   keys/           keyring.toml, the keys of what the database holds in secret; one that is there stays as it is
#   certs/          ca.crt, which callers trust, and a certificate for 90 days, made anew each time
#
#   deploy/prepare.sh [--name DNS-NAME]... [--folder FOLDER]
#
# Each --name is one more name by which callers reach the server; localhost, `server` and 127.0.0.1 are there anyway.
# A running server takes a new certificate with the next connection. With certificates of another authority, put
# server.crt (with its chain), server.key and ca.crt into certs/ yourself.
set -eu

folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
names="DNS:localhost,DNS:server,IP:127.0.0.1"
while [ $# -gt 0 ]; do
	case $1 in
	--name) names="$names,DNS:$2" ;;
	--folder) folder=$2 ;;
	*)
		echo "usage: $0 [--name DNS-NAME]... [--folder FOLDER]" >&2
		exit 2
		;;
	esac
	shift 2
done

umask 077
mkdir -p "$folder/ca" "$folder/certs" "$folder/keys"
cd "$folder"

run_as="$(id -u):$(id -g)"
[ "$(id -u)" != 0 ] || run_as=10001:10001 # our processes are not root, whoever starts them

if [ ! -e .env ]; then
	{
		for name in DB_ADMIN_PASSWORD DB_OWNER_PASSWORD DB_APP_PASSWORD DB_BACKUP_PASSWORD GRAFANA_PASSWORD; do
			echo "$name=$(openssl rand -hex 24)"
		done
		echo "DANBAO_HASH_KEY=$(openssl rand -hex 32)"
		echo "RUN_AS=$run_as"
		echo "DANBAO_BANK_URL=" # the operator names the bank
		echo "DANBAO_BANK_KEY="
	} >.env.new
	mv .env.new .env
fi

if [ ! -e keys/keyring.toml ]; then # its first key is the hash key, as it would be without a keyring
	hash_key=$(sed -n 's/^DANBAO_HASH_KEY=//p' .env)
	printf '[[key]]\nid = "0"\nsecret = "%s"\n' "$hash_key" >keys/keyring.toml.new
	mv keys/keyring.toml.new keys/keyring.toml
fi

ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"
if [ ! -e ca/ca.crt ]; then
	# shellcheck disable=SC2086
	openssl req -x509 $ec -keyout ca/ca.key -out ca/ca.crt -days 3650 -subj "/CN=Danbao local authority" \
		-addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
fi
# shellcheck disable=SC2086
openssl req -x509 $ec -keyout certs/server.key.new -out certs/server.crt.new -days 90 -subj "/CN=danbao" \
	-CA ca/ca.crt -CAkey ca/ca.key -addext "basicConstraints=critical,CA:FALSE" \
	-addext "extendedKeyUsage=serverAuth" -addext "subjectAltName=$names" 2>/dev/null
cp ca/ca.crt certs/ca.crt
mv certs/server.key.new certs/server.key
mv certs/server.crt.new certs/server.crt
chmod 755 certs
chmod 644 certs/ca.crt certs/server.crt
[ "$(id -u)" != 0 ] || chown -R 10001:10001 certs keys

echo "made $folder/.env, $folder/keys and $folder/certs for $names"
