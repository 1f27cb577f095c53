// A client of Danbao in a few lines: the contract is loaded at run time, nothing is generated.
//
//   const ada = new Danbao("127.0.0.1:50051").as(accessToken);
//   const payment = await ada.payments.payPayment({ name, paymentPassword });
//
// Calls have a deadline. Their request id is made once and kept over retries, so a retry does nothing twice; what is tried again
// is what the core says may be (UNAVAILABLE, ABORTED). Errors have the core's `reason`, and what it is
// `about`.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const SERVICES = {
  accounts: "AccountService",
  payments: "PaymentService",
  sandbox: "SandboxService",
  sessions: "SessionService",
  verification: "VerificationService",
};
const DEADLINE_MS = 10_000;
const PAUSES_MS = [100, 400, 1600];
const SAFE_TO_RETRY = new Set([grpc.status.UNAVAILABLE, grpc.status.ABORTED]);

const PROTOS = fileURLToPath(new URL("../../../protos", import.meta.url));
const FILES = Object.keys(SERVICES).map((name) => `danbao/v1/${name}.proto`);
// Amounts have 64 bits, which numbers of JavaScript have not: they come as strings.
const contract = loadSync([...FILES, "google/rpc/error_details.proto"], {
  includeDirs: [PROTOS, `${PROTOS}/third_party`], longs: String, enums: String, defaults: true, oneofs: true,
});
const { danbao } = grpc.loadPackageDefinition(contract);

export class Danbao {
  #stubs;

  // Without TLS, as `danbao up` serves; a live core takes grpc.credentials.createSsl(readFileSync("ca.crt")).
  constructor(address, credentials = grpc.credentials.createInsecure()) {
    this.#stubs = Object.entries(SERVICES).map(([name, service]) => [name, new danbao.v1[service](address, credentials)]);
  }

  // The services as somebody with this token calls them: a service by its key, a person by an access token.
  as(token) {
    const metadata = new grpc.Metadata();
    if (token) metadata.set("authorization", `Bearer ${token}`);
    return Object.fromEntries(this.#stubs.map(([name, stub]) => [name, callable(stub, metadata)]));
  }

  close() {
    for (const [, stub] of this.#stubs) stub.close();
  }
}

// A stub's methods as functions of a request that answer a promise.
function callable(stub, metadata) {
  return new Proxy({}, { get: (_, method) => (request) => called(stub, method, request, metadata) });
}

async function called(stub, method, request, metadata) {
  const sent = { requestId: randomUUID(), ...request };
  for (const pauseMs of [...PAUSES_MS, null]) {
    try {
      return await new Promise((resolve, reject) => {
        const answer = (error, message) => (error ? reject(error) : resolve(message));
        stub[method](sent, metadata, { deadline: Date.now() + DEADLINE_MS }, answer);
      });
    } catch (error) {
      if (pauseMs === null || !SAFE_TO_RETRY.has(error.code)) throw explained(error);
      await pause(pauseMs);
    }
  }
}

// The error with what the core says of it: its details are a google.rpc.Status, of which ErrorInfo has the reason.
function explained(error) {
  const [status] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const details = status ? contract["google.rpc.Status"].deserialize(status).details : [];
  const info = details.find((detail) => detail.type_url.endsWith("/google.rpc.ErrorInfo"));
  if (info) {
    const { reason, metadata } = contract["google.rpc.ErrorInfo"].deserialize(info.value);
    Object.assign(error, { reason, about: metadata });
  }
  return error;
}
