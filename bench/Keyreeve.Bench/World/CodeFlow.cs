using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Keyreeve.Bench.Load;

namespace Keyreeve.Bench.World;

/// <summary>The code flow with PKCE of a confidential client, the same for both sides.</summary>
internal sealed class CodeFlow
{
    private const string Verifier = "an-unreserved-verifier-of-more-than-forty-three-characters";
    private readonly string _target;
    private readonly string _token;
    private readonly string _authorization;
    private readonly string _rest;

    public CodeFlow(string authorizePath, string tokenPath, string clientId, string authorization, string redirectUri, string scope)
    {
        var challenge = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier)));
        (_token, _authorization) = (tokenPath, authorization);
        _target = $"{authorizePath}?response_type=code&client_id={clientId}&redirect_uri={Uri.EscapeDataString(redirectUri)}&scope={Uri.EscapeDataString(scope)}"
            + $"&state=a-state-of-some-length&nonce=a-nonce-of-some-length&acr_values=3gpp%3Aacr%3Apassword&code_challenge={challenge}&code_challenge_method=S256";
        _rest = $"&redirect_uri={Uri.EscapeDataString(redirectUri)}&code_verifier={Verifier}";
    }

    /// <summary>The authorization request's target, for whom no session stands yet.</summary>
    public string Target => _target;

    public async ValueTask RunAsync(Connection connection, string cookie) => await RedeemAsync(connection, CodeOf(await connection.AskAsync(Request.Get(_target, cookie))));

    /// <summary>Redeems a code; the answer holds an ID token, an access token and a refresh token.</summary>
    public async ValueTask<string> RedeemAsync(Connection connection, string code)
    {
        var answer = await connection.AskAsync(Request.Form(_token, _authorization, "grant_type=authorization_code&code=" + code + _rest));
        Acts.Demand(answer, 200, "\"id_token\"");
        return answer.Member("refresh_token");
    }

    /// <summary>The code in the redirection back to the client.</summary>
    public static string CodeOf(Answer answer)
    {
        var location = answer.Header("Location") ?? "";
        var start = location.IndexOf("code=", StringComparison.Ordinal);
        if (answer.Status != 303 || start < 0)
            throw new BenchException($"no code but {answer.Status} {location} {answer}");
        var end = location.IndexOf('&', start);
        return location[(start + 5)..(end < 0 ? location.Length : end)];
    }
}
