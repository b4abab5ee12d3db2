// node's oidc-provider over HTTPS for the benchmark: `node server.mjs FOLDER` reads cert.pem and key.pem there, writes listeners.json.
// In memory; the same flow and the same tokens as the other side: ES256 ID token, ES256 JWT access token, rotated
// refresh token. Whoever asks is signed in and has consented: only the first request of a browser goes through an interaction.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import Provider from 'oidc-provider';
import { Memory } from './memory.mjs';

const folder = process.argv[2];
const tls = createServer({ key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')), minVersion: 'TLSv1.2', keepAlive: true });
// As the other side: idle connections of a benchmark stay.
tls.keepAliveTimeout = 0;
tls.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${tls.address().port}`;
  const signing = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const resource = 'https://val.example/pump-control';
  const provider = new Provider(issuer, {
    adapter: Memory,
    clients: [{
      client_id: 'bench-client',
      client_secret: 'bench-secret',
      redirect_uris: ['https://rp.example/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
    }],
    jwks: { keys: [{ ...signing, use: 'sig', alg: 'ES256' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'val:pump-control', audience: resource, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      },
    },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, RefreshToken: 1209600, Session: 28800, Grant: 28800, Interaction: 600 },
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const details = await provider.interactionDetails(ctx.req, ctx.res);
    const accountId = details.session?.accountId ?? `user-${randomBytes(8).toString('hex')}`;
    const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(resource, 'val:pump-control');
    const grantId = await grant.save();
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId }, consent: { grantId } });
    ctx.respond = false;
  });
  tls.on('request', provider.callback());
  writeFileSync(join(folder, 'listeners.json.new'), JSON.stringify({ issuer }));
  renameSync(join(folder, 'listeners.json.new'), join(folder, 'listeners.json'));
});
