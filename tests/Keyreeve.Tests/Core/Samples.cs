using System.Text;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Policy;
using Keyreeve.Core.Refusals;
using Keyreeve.Core.Tokens;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Xunit;

namespace Keyreeve.Tests.Core;

using Client = Keyreeve.Core.Identity.Client;

/// <summary>One client, one user, one service: tests change what they are about by <c>with</c>.</summary>
internal static class Samples
{
    internal const string Issuer = "https://sim.example";
    internal const string ClientId = "sim-c";
    internal const string Redirect = "https://client.example/cb";
    internal const string Secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    internal const string Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    internal const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    internal static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);

    internal static readonly TokenPolicy Policy = new();

    internal static readonly ScopeCatalogue Catalogue = new(Issuer,
        [new ValService { ServiceId = "a", Name = "A", Audience = "https://a.example" }, new ValService { ServiceId = "b", Name = "B", Audience = "https://b.example" }]);

    internal static readonly User User = new()
    {
        Subject = "u-AAAAAAAAAAAAAAAAAAAAAA",
        Username = "grace",
        SecurityStamp = "stamp",
        ValUserId = "val-grace",
        ValUeId = "ue-1",
        ValServiceIds = ["a"],
    };

    internal static readonly Client Client = new()
    {
        ClientId = ClientId,
        Name = "The client",
        Secrets = [ClientSecret.Of(Secret, Now)],
        RedirectUris = [Redirect],
        Scopes = Scopes("openid profile seal:key_management val:a val:b keyreeve.admin"),
        Grants = [GrantType.AuthorizationCode, GrantType.RefreshToken, GrantType.ClientCredentials],
    };

    internal static readonly Client PlainClient = Client with { Profile = ClientProfile.OpenId };

    internal static readonly Authentication Login = new(Now.ToUnixTimeMilliseconds() - 10_000, Authentication.AcrPassword, "pwd");

    internal static ScopeList Scopes(string text)
    {
        Assert.True(ScopeList.TryRead(text, out var scopes));
        return scopes;
    }

    internal static ParameterList Form(string form)
    {
        Assert.True(ParameterList.TryRead(Encoding.UTF8.GetBytes(form), out var list, out var error), error.ToString());
        return list;
    }

    internal static Kek NewKek(byte fill = 7) => Kek.FromBytes(Enumerable.Repeat(fill, Kek.KeySize).ToArray());

    internal static SigningKey NewKey(Kek kek, DateTimeOffset? activates = null, JwsAlgorithm algorithm = JwsAlgorithm.ES256, int generation = 1) =>
        SigningKey.Generate(algorithm, generation, Now, activates ?? Now, kek).Key;

    /// <summary>The client, logged in by its secret.</summary>
    internal static AuthenticatedClient Authenticated(Client client)
    {
        var known = client with { AuthMethods = [ClientAuthMethod.SecretPost], Secrets = [ClientSecret.Of(Secret, Now)] };
        Assert.True(PresentedCredential.Read(null, Form($"client_id={Uri.EscapeDataString(client.ClientId)}&client_secret={Secret}")).Succeeded(out var presented, out _));
        Assert.True(ClientAuthentication.DecideAsync(presented, known, Issuer, Issuer + "/token", (_, _, _) => new(true), Now).AsTask().GetAwaiter().GetResult().Succeeded(out var authenticated, out _));
        return authenticated;
    }

    internal static AuthenticatedUser LoggedIn(User user, long authTimeMilliseconds)
    {
        var session = new LoginSession
        {
            Hash = [],
            SessionId = "sid",
            Subject = user.Subject,
            SecurityStamp = user.SecurityStamp,
            Authentication = Login with { AuthTime = authTimeMilliseconds },
            ExpiresAt = long.MaxValue,
        };
        return AuthenticatedUser.From(session, user, Now)!;
    }

    /// <summary>The refusal, which must be there, must have this code, and may be shown to anybody.</summary>
    internal static Refusal Refused<T>(RefusalCode code, Outcome<T> outcome)
        where T : notnull
    {
        Assert.False(outcome.Succeeded(out _, out var refusal));
        Assert.Equal((code, refusal.Operator), (refusal.Code, refusal.Operator));
        // error_description = 1*( %x20-21 / %x23-5B / %x5D-7E ) (RFC 6749 4.1.2.1)
        Assert.NotEmpty(refusal.Peer);
        Assert.All(refusal.Peer, c => Assert.True(c is >= ' ' and <= '~' and not ('"' or '\\'), refusal.Peer));
        return refusal;
    }

    internal static T Granted<T>(Outcome<T> outcome)
        where T : notnull
    {
        Assert.True(outcome.Succeeded(out var value, out var refusal), refusal?.ToString());
        return value!;
    }
}
