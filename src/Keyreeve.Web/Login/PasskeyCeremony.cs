using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Web.Clients;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Identity;

namespace Keyreeve.Web.Login;

/// <summary>What a page gives to the browser for a passkey, and what must come back with its answer.</summary>
/// <param name="Options">JSON for <c>navigator.credentials</c>.</param>
/// <param name="State">The challenge and whom it is for, sealed; comes back in the field <c>passkey_state</c>.</param>
public sealed record PasskeyAsk(string Options, string State);

/// <summary>
/// The two ceremonies of WebAuthn, by ASP.NET Core Identity: registration and assertion. The challenge travels in a sealed text that is
/// bound to the browser, to one use and to what it was made for, so that the server keeps nothing for pages nobody answers.
/// </summary>
[Spec("WebAuthn Level 2", "7")]
public sealed class PasskeyCeremony(IPasskeyHandler<Account> handler, ICredentialStore store, ServerIdentity server, IDataProtectionProvider protection, TimeProvider clock)
{
    /// <summary>The field with the browser's answer.</summary>
    public const string Field = "credential";

    /// <summary>How long an asked browser may take. Our choice.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(10);

    /// <summary>Characters of an answer at most: with a long attestation it is about a third of this.</summary>
    private const int MaxAnswer = 32 * 1024;

    private readonly IDataProtector _protector = protection.CreateProtector("keyreeve.passkey-state.v1");

    /// <summary>The RP ID: the host of the issuer.</summary>
    public static string RpIdOf(string issuer) => new Uri(issuer).IdnHost;

    /// <summary>False for an issuer that is an IP address: no browser makes passkeys for one.</summary>
    public bool IsPossible => new Uri(server.Issuer).HostNameType == UriHostNameType.Dns;

    /// <summary>Asks for a passkey of a user, or of anybody when there is none: then the passkey says whose it is.</summary>
    public async Task<PasskeyAsk> AskAsync(HttpContext context, User? user)
    {
        var made = await handler.MakeRequestOptionsAsync(user is null ? null : new Account(user), context);
        return new(made.RequestOptionsJson, Seal(context, "get", user?.Subject, made.AssertionState!));
    }

    /// <summary>Asks a user's browser to make a passkey.</summary>
    public async Task<PasskeyAsk> AskNewAsync(HttpContext context, User user)
    {
        var made = await handler.MakeCreationOptionsAsync(new PasskeyUserEntity { Id = user.Subject, Name = user.Username, DisplayName = user.DisplayName ?? user.Username }, context);
        return new(made.CreationOptionsJson, Seal(context, "create", user.Subject, made.AttestationState!));
    }

    /// <summary>
    /// The user whose passkey answered: signature, challenge, origin, RP ID, user verification and counter hold. At a second step
    /// <paramref name="expected"/> is the only one it may be.
    /// </summary>
    [Spec("WebAuthn Level 2", "7.2")]
    public async Task<Outcome<User>> AssertAsync(HttpContext context, ParameterList form, User? expected)
    {
        if (await OpenAsync(context, form, "get", expected?.Subject) is not ({ } state, { } answer))
            return Failed("the passkey page was not this browser's, was too old, or was answered before");
        var result = await handler.PerformAssertionAsync(new PasskeyAssertionContext { HttpContext = context, CredentialJson = answer, AssertionState = state });
        if (!result.Succeeded)
            return Failed(result.Failure.Message);
        var (user, passkey) = (result.User.User, result.Passkey);
        if (expected is not null && user.Subject != expected.Subject)
            return Failed($"the passkey is {user.Subject}'s, not {expected.Subject}'s");
        if (user.Disabled)
            return Failed($"user {user.Subject} is disabled");
        // The handler compared the counter with the row it read; the store compares again as it writes, for two answers at once.
        return await store.UsePasskeyAsync(user.Subject, passkey.CredentialId, passkey.SignCount, passkey.IsBackedUp, clock.GetUtcNow().ToUnixTimeMilliseconds(), CancellationToken.None)
            ? user
            : Failed($"a passkey of {user.Subject} did not count up: a copy of it may be about");
    }

    /// <summary>The passkey that a browser made for a user.</summary>
    [Spec("WebAuthn Level 2", "7.1")]
    public async Task<Outcome<Passkey>> AttestAsync(HttpContext context, ParameterList form, User user, string name)
    {
        if (await OpenAsync(context, form, "create", user.Subject) is not ({ } state, { } answer))
            return Failed("the passkey page was not this browser's, was too old, or was answered before");
        var result = await handler.PerformAttestationAsync(new PasskeyAttestationContext { HttpContext = context, CredentialJson = answer, AttestationState = state });
        if (!result.Succeeded)
            return Failed(result.Failure.Message);
        if (result.UserEntity.Id != user.Subject)
            return Failed($"the passkey was made for {result.UserEntity.Id}, not for {user.Subject}");
        var made = result.Passkey;
        return new Passkey
        {
            CredentialId = made.CredentialId,
            Subject = user.Subject,
            Name = name,
            PublicKey = made.PublicKey,
            SignCount = made.SignCount,
            Transports = made.Transports ?? [],
            UserVerified = made.IsUserVerified,
            BackupEligible = made.IsBackupEligible,
            BackedUp = made.IsBackedUp,
            CreatedAt = clock.GetUtcNow().ToUnixTimeMilliseconds(),
        };
    }

    /// <summary>As Identity is told: the names of this server come from the settings, never from a Host header.</summary>
    public static void Configure(IdentityPasskeyOptions options, string issuer)
    {
        var origin = new Uri(issuer).GetLeftPart(UriPartial.Authority);
        options.ServerDomain = RpIdOf(issuer);
        options.UserVerificationRequirement = "required";
        options.ResidentKeyRequirement = "required";
        options.AttestationConveyancePreference = "none";
        options.ValidateOrigin = context => ValueTask.FromResult(!context.CrossOrigin && string.Equals(context.Origin, origin, StringComparison.OrdinalIgnoreCase));
    }

    private string Seal(HttpContext context, string purpose, string? subject, string state)
    {
        var mark = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(16));
        var until = (clock.GetUtcNow() + Life).ToUnixTimeMilliseconds();
        var json = JsonSerializer.SerializeToUtf8Bytes<string?[]>([purpose, BrowserBinding.Ensure(context), subject, mark, until.ToString(System.Globalization.CultureInfo.InvariantCulture), state]);
        return Base64Url.EncodeToString(_protector.Protect(json));
    }

    /// <summary>The state behind a form, once; nulls for a form that was not made for this.</summary>
    private async Task<(string? State, string? Answer)> OpenAsync(HttpContext context, ParameterList form, string purpose, string? subject)
    {
        form.TrySingle(Field, out var answer);
        form.TrySingle("passkey_state", out var text);
        if (answer is not { Length: <= MaxAnswer } || text is not { Length: <= MaxAnswer } || !Base64UrlStrict.TryDecode(text, out var sealedOctets))
            return default;
        string?[] values;
        try
        {
            values = JsonSerializer.Deserialize<string?[]>(Encoding.UTF8.GetString(_protector.Unprotect(sealedOctets)))!;
        }
        catch (CryptographicException)
        {
            return default;
        }
        var until = long.Parse(values[4]!, System.Globalization.CultureInfo.InvariantCulture);
        if (values[0] != purpose || !BrowserBinding.Holds(context, values[1]!) || values[2] != subject || until < clock.GetUtcNow().ToUnixTimeMilliseconds()
            || !await store.UseOnceAsync(SHA256.HashData(Encoding.UTF8.GetBytes("passkey " + values[3])), until, CancellationToken.None))
            return default;
        return (values[5], answer);
    }

    private static Refusal Failed(string why) => new(RefusalCode.AccessDenied, "the passkey was not accepted", why);
}
