using System.Text;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Client;

/// <summary>What came back to the redirect URI. Only <see cref="Code"/> can be exchanged.</summary>
public abstract record AuthenticationResponse
{
    private AuthenticationResponse()
    {
    }

    /// <summary>A code that answers our request.</summary>
    public sealed record Code : AuthenticationResponse
    {
        internal Code(TokenText text, AuthenticationRequest request) => (Text, Request) = (text, request);

        /// <summary>The authorization code.</summary>
        public TokenText Text { get; }

        /// <summary>The request it answers.</summary>
        public AuthenticationRequest Request { get; }
    }

    /// <summary>Not an answer to our request: nothing is exchanged and no error is returned to anybody.</summary>
    /// <param name="Why">For our own log.</param>
    public sealed record Ignored(string Why) : AuthenticationResponse;

    /// <summary>The SIM-S, or the user, said no.</summary>
    /// <param name="Error">As sent.</param>
    public sealed record Denied(OAuthError Error) : AuthenticationResponse;

    /// <summary>Reads the address that the browser was sent to.</summary>
    [Spec("TS 33.434", "A.4.2.3")]
    [Spec("RFC 9207", "2.4")]
    internal static AuthenticationResponse Read(AuthenticationRequest request, SimMetadata metadata, string callback)
    {
        var mark = callback.IndexOf('?', StringComparison.Ordinal);
        if (mark < 0 || callback.Length > OAuthLimits.MaxQuery || callback.Contains('#', StringComparison.Ordinal))
            return new Ignored("the address has no query, has a fragment, or is too long");
        if (!string.Equals(callback[..mark], WithoutQuery(request.RedirectUri), StringComparison.Ordinal))
            return new Ignored("the address is not the redirect URI");
        if (!ParameterList.TryRead(Encoding.UTF8.GetBytes(callback[(mark + 1)..]), out var list, out _) || list.FirstRepeated() is not null)
            return new Ignored("the query does not read, or a parameter stands in it twice");
        list.TrySingle("state", out var state);
        // "If the state does not match exactly ... ignoring it and shall not attempt to exchange it ... No error is returned."
        if (!SameText.Is(state, request.State.Reveal()))
            return new Ignored("state is not ours");
        list.TrySingle("iss", out var issuer);
        // A SIM-S that announces iss and leaves it out is another one (mix-up); one that does not announce it may still tell the truth.
        if (issuer is null ? metadata.IssuerInResponse : !string.Equals(issuer, metadata.Issuer, StringComparison.Ordinal))
            return new Ignored("iss is not the issuer we asked");
        list.TrySingle("error", out var error);
        list.TrySingle("code", out var code);
        if (error is not null && code is null)
        {
            list.TrySingle("error_description", out var description);
            return new Denied(new OAuthError(Printable.Of(error, 64), description is null ? null : Printable.Of(description, 500), 0));
        }
        return code is not null && error is null ? new Code(new TokenText(code), request) : new Ignored("neither one code nor one error");
    }

    private static string WithoutQuery(string redirectUri)
    {
        var mark = redirectUri.IndexOf('?', StringComparison.Ordinal);
        return mark < 0 ? redirectUri : redirectUri[..mark];
    }
}
