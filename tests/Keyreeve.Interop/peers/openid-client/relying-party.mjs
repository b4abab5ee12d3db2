// A relying party made of openid-client alone. It is steered by lines of JSON on stdin ({"do": NAME, ...}) and answers each with
// one line on stdout: {"ok": ...}, or {"failed": ...} with what the library says. It trusts what NODE_EXTRA_CA_CERTS names.
import { createInterface } from 'node:readline';
import * as jose from 'jose';
import * as oidc from 'openid-client';

let config;
let keys;
let pending;

function authentication({ method, secret }) {
  switch (method) {
    case 'client_secret_basic': return oidc.ClientSecretBasic(secret);
    case 'client_secret_post': return oidc.ClientSecretPost(secret);
    case 'private_key_jwt': return oidc.PrivateKeyJwt({ key: keys.privateKey, kid: keys.kid });
    default: throw new Error(`no client authentication ${method}`);
  }
}

function tokens(answer) {
  return {
    claims: answer.claims() ?? null,
    idTokenHeader: answer.id_token ? jose.decodeProtectedHeader(answer.id_token) : null,
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? null,
    tokenType: answer.token_type,
    expiresIn: answer.expiresIn(),
    scope: answer.scope,
  };
}

const commands = {
  /** Makes a key pair; the public half is registered with the server by the test. */
  async key({ alg }) {
    const pair = await jose.generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
    keys = { privateKey: pair.privateKey, kid: `interop-${alg}` };
    return { ...(await jose.exportJWK(pair.publicKey)), kid: keys.kid, alg, use: 'sig' };
  },

  /** Discovery; the ID token's algorithm is demanded, and its signature is checked against /jwks. */
  async discover({ issuer, clientId, idTokenAlg, ...how }) {
    config = await oidc.discovery(new URL(issuer), clientId, { id_token_signed_response_alg: idTokenAlg }, authentication(how));
    oidc.enableNonRepudiationChecks(config);
    return config.serverMetadata();
  },

  async authorize({ redirectUri, parameters }) {
    pending = { verifier: oidc.randomPKCECodeVerifier(), state: oidc.randomState(), nonce: oidc.randomNonce(), redirectUri };
    return oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      ...parameters,
    }).href;
  },

  /** The callback as a URL, or as the fields of a form that was posted to it. */
  async redeem({ callback, form }) {
    const arrived = form
      ? new Request(pending.redirectUri, { method: 'POST', body: new URLSearchParams(form) })
      : new URL(callback);
    return tokens(await oidc.authorizationCodeGrant(config, arrived, {
      pkceCodeVerifier: pending.verifier, expectedState: pending.state, expectedNonce: pending.nonce, idTokenExpected: true,
    }));
  },

  refresh: async ({ token }) => tokens(await oidc.refreshTokenGrant(config, token)),
  clientCredentials: async ({ scope }) => tokens(await oidc.clientCredentialsGrant(config, { scope })),
  userinfo: ({ token, subject }) => oidc.fetchUserInfo(config, token, subject),
  introspect: ({ token }) => oidc.tokenIntrospection(config, token),
  revoke: async ({ token }) => (await oidc.tokenRevocation(config, token), true),

  /** What a resource server does that knows only the issuer (RFC 9068). */
  async verifyAccessToken({ token, audience }) {
    const { issuer, jwks_uri } = config.serverMetadata();
    const checked = await jose.jwtVerify(token, jose.createRemoteJWKSet(new URL(jwks_uri)), { issuer, audience, typ: 'at+jwt' });
    return checked.payload;
  },
};

async function describe(error) {
  const { name, code, message, status, response, error: oauthError, error_description: description } = error;
  const body = response && !response.bodyUsed ? await response.text() : null;
  return { name, code, message, status, body, error: oauthError, description, cause: error.cause?.message ?? null };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const { do: name, ...rest } = JSON.parse(line);
    answer = { ok: await commands[name](rest) };
  } catch (error) {
    answer = { failed: await describe(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
