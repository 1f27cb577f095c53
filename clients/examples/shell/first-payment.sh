#!/usr/bin/env bash
# A first payment through escrow with nothing but buf (https://buf.build/docs/cli): paid, shipped, confirmed, and what the seller
# has then. The core tells buf by reflection what messages look like, so no file is needed.
#
#   DANBAO_KEY=dbk_... ./first-payment.sh [ADDRESS]
#
# `danbao up` prints a key, and `jq -r .operator_key .danbao/endpoint.json` finds it again.
set -euo pipefail

address=${1:-${DANBAO_ADDRESS:-127.0.0.1:50051}}
: "${DANBAO_KEY:?is the key to call with}"

# ask METHOD JSON: the answer to one call, as JSON.
ask() {
	buf curl --protocol grpc --http2-prior-knowledge -H "authorization: Bearer $DANBAO_KEY" \
		-d "$2" "http://$address/danbao.v1.$1"
}

# id: 64 random bits. A repeat of a call with the same requestId is answered again and changes nothing, so retries are safe.
id() { od -An -N8 -tx8 /dev/urandom | tr -d ' '; }

# name_of: the first "name" of the JSON on stdin.
name_of() { sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' | head -n 1; }

# account KIND NAME: a new account with a wallet in US dollars.
account() {
	ask AccountService/CreateAccount \
		"{\"requestId\": \"$(id)\", \"kind\": \"$1\", \"displayName\": \"$2\", \"currencyCodes\": [\"USD\"]}" | name_of
}

buyer=$(account KIND_PERSONAL Ada)
seller=$(account KIND_MERCHANT "Corner Shop")
amount='{"amountMinor": 1250, "currencyCode": "USD"}' # 12.50: amounts are integers, in cents
ask AccountService/TopUp "{\"requestId\": \"$(id)\", \"account\": \"$buyer\", \"amount\": $amount}" >/dev/null

echo "Ada pays 12.50 into escrow:"
paid=$(ask PaymentService/CreatePayment \
	"{\"requestId\": \"$(id)\", \"payer\": \"$buyer\", \"payee\": \"$seller\", \"amount\": $amount, \"pay\": true}")
echo "$paid"
payment=$(echo "$paid" | name_of)

echo "The shop ships:"
ask PaymentService/ShipPayment "{\"requestId\": \"$(id)\", \"name\": \"$payment\",
	\"shipment\": {\"method\": \"METHOD_EXPRESS\", \"carrier\": \"SF\", \"trackingNo\": \"SF0000000000001\"}}"

echo "Ada confirms that it is there:"
ask PaymentService/ConfirmPayment "{\"requestId\": \"$(id)\", \"name\": \"$payment\"}"

echo "The shop has 12.50 less the fee:"
ask AccountService/ListBalances "{\"name\": \"$seller\"}"
