// What the backend of a mobile wallet asks of Danbao, from a phone number to a purchase that is approved with a second factor.
//
//   npm ci && DANBAO_KEY=dbk_... node index.js [ADDRESS]
//
// People call with the access token of their session, which the backend keeps for them. The key is that of the sandbox's
// operator: it reads the codes that a live core would send to the phone, and plays the seller.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { Danbao } from "./danbao.js";

const danbao = new Danbao(process.argv[2] ?? process.env.DANBAO_ADDRESS ?? "127.0.0.1:50051");
const operator = danbao.as(process.env.DANBAO_KEY);
const nobody = danbao.as();

const phone = `+86138${String(randomInt(1e8)).padStart(8, "0")}`;
const loginPassword = "correct horse battery staple";
const paymentPassword = "271828";
const yuan = (amount) => ({ amountMinor: amount * 100, currencyCode: "CNY" });

// The approval for a challenge, by the newest code that went to the phone.
async function approved(challenge, caller = nobody) {
  const { messages } = await operator.sandbox.listSentMessages({ address: phone });
  const { code } = messages.find((message) => message.template === "code").parameters;
  const approval = await caller.verification.answerChallenge({ name: challenge.name, code });
  return approval.name;
}

// A phone gets one code a minute at most. A sandbox need not wait for it.
const aMinuteLater = () => operator.sandbox.advanceClock({ by: { seconds: 61 } });

try {
  // Ada registers on her phone: the code shows that the number is hers.
  const registration = await nobody.sessions.registerPerson({
    phone, loginPassword, displayName: "Ada", currencyCodes: ["CNY"], deviceId: "phone-of-ada",
  });
  let tokens = await nobody.sessions.completeSession({ approval: await approved(registration), deviceId: "phone-of-ada" });
  let ada = danbao.as(tokens.accessToken);
  await ada.accounts.setPaymentPassword({ paymentPassword, loginPassword });
  for (const channel of ["CHANNEL_PUBLIC_SECURITY", "CHANNEL_BANK", "CHANNEL_CARRIER"]) {
    await ada.accounts.verifyIdentity({
      account: tokens.account, channel, realName: "Ada Lovelace", document: "DOCUMENT_PASSPORT", number: `E${phone.slice(6)}`,
    });
  }
  await ada.accounts.topUp({ account: tokens.account, amount: yuan(5000) });
  console.log(`Ada has registered, shown who she is and topped up: ${tokens.account}`);

  // On a tablet that her account does not know, the password alone does not let her in.
  await aMinuteLater();
  const login = await nobody.sessions.createSession({ phone, loginPassword, deviceId: "tablet-of-ada" });
  assert.equal(login.outcome, "challenge");
  tokens = await nobody.sessions.completeSession({ approval: await approved(login.challenge), deviceId: "tablet-of-ada" });
  ada = danbao.as(tokens.accessToken);
  console.log("She has logged in on a tablet, with a code");

  // She buys something dear: the payment password alone does not do.
  const shop = await operator.accounts.createAccount({
    kind: "KIND_MERCHANT", displayName: "Camera House", currencyCodes: ["CNY"],
  });
  const order = { payer: tokens.account, payee: shop.name, amount: yuan(3000), subject: "A camera" };
  const { name } = await operator.payments.createPayment(order);
  await assert.rejects(ada.payments.payPayment({ name, paymentPassword }), { reason: "APPROVAL_REQUIRED" });
  await aMinuteLater();
  const challenge = await ada.verification.createChallenge({ pay: { payment: name }, factor: "KIND_SMS" });
  const paid = await ada.payments.payPayment({ name, paymentPassword, approval: await approved(challenge, ada) });
  assert.equal(paid.state, "STATE_PAID");
  console.log(`She has paid ${Number(paid.amount.amountMinor) / 100} yuan into escrow, with an approval of just this payment: ${name}`);
} catch (error) {
  console.error(error.reason ? `${error.reason}: ${error.details}` : error);
  process.exitCode = 1;
} finally {
  danbao.close();
}
