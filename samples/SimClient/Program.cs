using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Client;
using Keyreeve.Engines.Tls;
using Keyreeve.Samples;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;

// A SIM-C and SKM-C on a user's machine (TS 33.434 clauses 5.2.4 and 5.3.1): logs a user in, calls a VAL server, fetches key material.
//
//   export KEYREEVE_CLIENT_SECRET=...        (of client seal-client, in data/demo.json)
//   dotnet run --project samples/SimClient -- https://localhost:9443 data/ca.pem http://127.0.0.1:5080/pumps
//
// With a folder for keys behind these, key requests are signed and key material comes encrypted. The first start makes the keys and says how
// to register them.
if (args.Length is not (3 or 4) || Environment.GetEnvironmentVariable("KEYREEVE_CLIENT_SECRET") is not { Length: > 0 } secret)
{
    Console.Error.WriteLine("usage: KEYREEVE_CLIENT_SECRET=... SimClient ISSUER CA.pem VAL-SERVER-ADDRESS [KEY-FOLDER]");
    return 2;
}
var (issuer, clock) = (args[0], TimeProvider.System);
var roots = new X509Certificate2Collection();
roots.ImportFromPemFile(args[1]);
using var keys = args.Length == 4 ? KeyPairs.OfFolder(args[3]) : null;
if (keys is { AreNew: true })
{
    Console.WriteLine($"new keys in {args[3]}; register their public halves and start again:");
    Console.WriteLine($"keyreeve admin client edit seal-client --jwks {keys.PublicFile} --km-request-signature required --km-payload-encryption required");
    return 0;
}
using var http = new HttpClient(TlsProfile.CreateHandler(roots));
using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(5));

var found = await SimClient.DiscoverAsync(http, new SimClientOptions
{
    Issuer = issuer,
    ClientId = "seal-client",
    Credential = ClientCredential.OfSecret(new ClientSecretText(secret)),
    RedirectUri = "http://127.0.0.1/callback", // any free port: RFC 8252 section 7.3
}, clock, patience.Token);
if (!found.Succeeded(out var sim, out var failure))
    return Fail(failure);

// A file store keeps the user signed in from one start to the next: new FileTokenStore(path).
using var session = await SimSession.OpenAsync(sim, new MemoryTokenStore(), clock, patience.Token);
var signedIn = await session.SignInAsync(ScopeList.Of(["openid", "val:pump-control", "seal:key_management"]), (address, _) =>
{
    Console.WriteLine("Open this address in your browser:");
    Console.WriteLine(address.AbsoluteUri);
    return Task.CompletedTask;
}, patience.Token);
if (!signedIn.Succeeded(out var tokens, out failure))
    return Fail(failure);
var user = tokens.IdToken.Claims.GetString("val_user_id")!;
Console.WriteLine($"signed in: {user}");

// Asked for each time it is used: the session renews it ahead of its end.
if (!(await session.TokensAsync(patience.Token)).Succeeded(out tokens, out failure))
    return Fail(failure);
using (var request = new HttpRequestMessage(HttpMethod.Get, args[2]))
{
    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", tokens.AccessToken.Reveal());
    using var response = await http.SendAsync(request, patience.Token);
    Console.WriteLine($"VAL server: {(int)response.StatusCode} {(await response.Content.ReadAsStringAsync(patience.Token)).Trim()}");
}

var skm = new SkmClient(http, new Uri(issuer + "/seal/km/v1/requests"), issuer + "/seal/km", TimeSpan.FromSeconds(5), clock)
{
    RequestSigner = keys?.Signer,   // signs the octets of each request
    PayloadKey = keys?.Payload,     // opens the answer; nothing else is believed to be key material then
};
var answer = await skm.SendAsync(skm.NewRequest("pump-control", new KmIdentity(KmIdentityKind.User, user)), tokens.AccessToken, patience.Token);
Console.WriteLine(answer switch
{
    SkmAnswer.KeyMaterial material => $"key material{(keys is null ? "" : ", asked for signed and received encrypted")}: {material.Response.Payload!.Length} characters, not shown",
    SkmAnswer.Refused refused => $"no key material: {refused.Code} (HTTP {refused.Status})",
    SkmAnswer.Later later => $"no key material now: HTTP {later.Status}",
    SkmAnswer.Untrusted untrusted => $"the answer is not to be trusted: {untrusted.Failure.Describe()}",
    _ => throw new System.Diagnostics.UnreachableException(),
});

if (await session.LogoutAsync(patience.Token) is { } kept)
    Console.WriteLine($"signed out here; the server said {kept.Describe()}");
else
    Console.WriteLine("signed out");
return answer is SkmAnswer.KeyMaterial ? 0 : 1;

static int Fail(ClientFailure failure)
{
    Console.Error.WriteLine(failure.Describe());
    return 1;
}
