using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.OpenId;

/// <summary>How an access token will go out. Decided before anything is written, because it can be a refusal.</summary>
/// <param name="Scope">What it carries of the scope that was granted.</param>
/// <param name="Reader">Whom it is encrypted for, or null.</param>
public sealed record TokenForm(ScopeList Scope, JweRecipient? Reader);

/// <summary>Finds the form (<see cref="TokenEncryption"/>).</summary>
internal static class TokenForms
{
    public static async ValueTask<Outcome<TokenForm>> FormOfAsync(this OpenIdContext openId, Client client, ScopeList scope, CancellationToken cancel)
    {
        if (!TokenEncryption.Decide(client, scope, openId.State.Scopes).Succeeded(out var form, out var refusal))
            return refusal;
        if (form.Audience is not { } audience)
            return new TokenForm(form.Scope, null);
        return TokenEncryption.ReaderOf(audience, await openId.State.FindResourceServersAsync(audience, cancel)).Succeeded(out var reader, out refusal)
            ? new TokenForm(form.Scope, reader)
            : refusal;
    }
}
