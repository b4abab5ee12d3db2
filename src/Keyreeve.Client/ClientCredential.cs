using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>How a client proves who it is: "client authentication is REQUIRED for native applications" (TS 33.434 A.4.2.4).</summary>
public abstract class ClientCredential
{
    private ClientCredential()
    {
    }

    /// <summary>None, for a client that is registered as public: a program that everybody has can keep no secret (RFC 8252 section 8.4). The plain profile alone knows these.</summary>
    public static ClientCredential None { get; } = new Public();

    /// <summary>client_secret_basic: "the client secret is sent in the HTTP Authorization Header".</summary>
    public static ClientCredential OfSecret(ClientSecretText secret) => new Secret(secret);

    /// <summary>private_key_jwt (RFC 7523 section 2.2); the key stays the caller's to dispose.</summary>
    public static ClientCredential OfKey(IJwsSigner signer) => new Key(signer);

    /// <summary>
    /// tls_client_auth and self_signed_tls_client_auth (RFC 8705 section 2): the certificate of the connection is the proof. The <see cref="HttpClient"/>
    /// is made with it (<c>TlsProfile.CreateHandler(roots, certificate)</c>), and requests go to the <c>mtls_endpoint_aliases</c> of the metadata.
    /// </summary>
    public static ClientCredential OfCertificate { get; } = new Certificate();

    /// <summary>True when the proof is the connection's: requests go where a certificate is asked for (RFC 8705 section 5).</summary>
    internal virtual bool IsOfConnection => false;

    internal abstract void Put(HttpRequestMessage request, List<KeyValuePair<string, string>> form, string clientId, string issuer, DateTimeOffset now);

    [Spec("RFC 8705", "2.1")]
    private sealed class Certificate : ClientCredential
    {
        internal override bool IsOfConnection => true;

        internal override void Put(HttpRequestMessage request, List<KeyValuePair<string, string>> form, string clientId, string issuer, DateTimeOffset now)
        {
            // client_id stands in the form already: it says whose the certificate is
        }
    }

    private sealed class Public : ClientCredential
    {
        internal override void Put(HttpRequestMessage request, List<KeyValuePair<string, string>> form, string clientId, string issuer, DateTimeOffset now)
        {
            // client_id stands in the form already
        }
    }

    private sealed class Secret(ClientSecretText secret) : ClientCredential
    {
        internal override void Put(HttpRequestMessage request, List<KeyValuePair<string, string>> form, string clientId, string issuer, DateTimeOffset now) =>
            request.Headers.TryAddWithoutValidation("Authorization", BasicCredentials.Write(clientId, secret.Reveal()));
    }

    [Spec("RFC 7523", "2.2")]
    private sealed class Key(IJwsSigner signer) : ClientCredential
    {
        // Our choice: long enough for a slow link, short enough that a leaked assertion is soon of no use.
        private const int LifeSeconds = 60;

        internal override void Put(HttpRequestMessage request, List<KeyValuePair<string, string>> form, string clientId, string issuer, DateTimeOffset now)
        {
            form.Add(new("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            form.Add(new("client_assertion", Assertion(clientId, issuer, now.ToUnixTimeSeconds())));
        }

        private string Assertion(string clientId, string issuer, long now)
        {
            var payload = new ArrayBufferWriter<byte>(256);
            using (var json = new Utf8JsonWriter(payload))
            {
                json.WriteStartObject();
                json.WriteString("iss"u8, clientId);
                json.WriteString("sub"u8, clientId);
                // The issuer and not the endpoint: an assertion for one server is then of no use at another, whatever its metadata say.
                json.WriteString("aud"u8, issuer);
                json.WriteNumber("iat"u8, now);
                json.WriteNumber("exp"u8, now + LifeSeconds);
                json.WriteString("jti"u8, Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16)));
                json.WriteEndObject();
            }
            return JwsWriter.Write(JwsWriter.Header(signer, "JWT"), payload.WrittenSpan, signer);
        }
    }
}
