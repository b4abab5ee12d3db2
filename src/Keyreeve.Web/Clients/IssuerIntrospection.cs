using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Refusals;
using Keyreeve.Engines.Outbound;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Web.Clients;

/// <summary>
/// Asks a trusted issuer whether a token of its still holds (RFC 7662), so that what the primary VAL system has revoked leads to nothing
/// in this one (TS 33.434 5.4). Asked at every exchange and never remembered: a yes of a moment ago is no yes. No answer is a refusal.
/// </summary>
[Spec("TS 33.434", "5.4")]
public sealed class IssuerIntrospection(OutboundHttp outbound, Kek kek)
{
    /// <summary>How long a request waits for the issuer. Our choice, as for its keys.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>What a caller may do after the issuer was not reached.</summary>
    private static readonly TimeSpan Later = TimeSpan.FromSeconds(5);

    /// <summary>Questions at once to one issuer: a slow partner holds up its own users, and not this server and those of others.</summary>
    private const int MaxQuestions = 64;

    /// <summary>By issuer; those are registered, and few.</summary>
    private readonly ConcurrentDictionary<string, StrongBox<int>> _questions = new(StringComparer.Ordinal);

    /// <summary>The token, when its issuer is not to be asked or says that it holds.</summary>
    public async ValueTask<Outcome<PartnerToken>> CheckAsync(PartnerToken token, string text, PartnerTokenUse use, CancellationToken cancel)
    {
        var issuer = token.Issuer;
        if (issuer.Origin is not { } origin)
            return token;
        if (!kek.TryOpen(OriginCheck.PurposeOf(issuer.Issuer), origin.SealedSecret, out var secret))
            return Unanswered(issuer, "our secret there does not open: " + kek.WhyNot(origin.SealedSecret));
        var credentials = BasicCredentials.Write(origin.ClientId, Encoding.UTF8.GetString(secret));
        CryptographicOperations.ZeroMemory(secret);
        var questions = _questions.GetOrAdd(issuer.Issuer, _ => new StrongBox<int>());
        if (Interlocked.Increment(ref questions.Value) > MaxQuestions)
        {
            Interlocked.Decrement(ref questions.Value);
            return Unanswered(issuer, $"{MaxQuestions} questions are waiting for answers already");
        }
        try
        {
            using var late = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            late.CancelAfter(Patience);
            var body = Encoding.ASCII.GetBytes("token=" + Uri.EscapeDataString(text) + "&token_type_hint=access_token");
            var (answer, failure) = await outbound.PostAsync(origin.Address, "application/x-www-form-urlencoded", body,
                [new("Authorization", credentials), new("Accept", "application/json")], late.Token);
            return answer is null ? Unanswered(issuer, failure.ToString()!) : Judge(token, answer, use);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Unanswered(issuer, nameof(OutboundFailure.TimedOut));
        }
        finally
        {
            Interlocked.Decrement(ref questions.Value);
        }
    }

    private static Outcome<PartnerToken> Judge(PartnerToken token, OutboundAnswer answer, PartnerTokenUse use)
    {
        var issuer = token.Issuer;
        if (answer.Status != 200)
            return Unanswered(issuer, $"status {answer.Status}: is {issuer.Origin!.ClientId} registered there, with this secret?");
        // The same strict reading as of claims: an object, no name twice.
        if (!JwtClaims.TryRead(answer.Body, out var said, out var error) || !said.TryGetRaw("active", out var active) || active.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            return Unanswered(issuer, $"no introspection response ({error})");
        if (active.ValueKind != JsonValueKind.True)
            return Refuse(use, $"issuer {issuer.Issuer} says that it is not active: revoked, expired, or {issuer.Origin!.ClientId} is not registered there with our audience");
        // An answer about somebody else is no answer about this token.
        return said.Subject is { } subject && !string.Equals(subject, token.Claims.Subject, StringComparison.Ordinal)
            ? Refuse(use, $"issuer {issuer.Issuer} speaks of another subject than the token does")
            : token;
    }

    private static Refusal Refuse(PartnerTokenUse use, string why) => use == PartnerTokenUse.Assertion
        ? new(RefusalCode.AssertionNotAccepted, "the assertion is not accepted", why)
        : new(RefusalCode.SubjectTokenNotAccepted, "the subject token is not accepted", why) { Param = "subject_token" };

    private static Refusal Unanswered(TrustedIssuer issuer, string why) =>
        new(RefusalCode.Busy, "please try again", $"issuer {issuer.Issuer} could not be asked whether its token holds: {why} (see Outbound in the settings)") { RetryAfter = Later };
}
