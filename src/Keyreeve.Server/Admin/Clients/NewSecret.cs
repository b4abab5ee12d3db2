using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;

namespace Keyreeve.Server.Admin.Clients;

/// <summary>A secret brought from elsewhere (member "secret"), or one that is made; the text only of the latter.</summary>
internal sealed record NewSecret(ClientSecret Secret, string? Generated)
{
    private const int MaxLength = 512;

    public static Outcome<NewSecret> Read(JsonBody body, DateTimeOffset now)
    {
        if (body.Text("secret", MaxLength) is not { } text)
        {
            if (body.Wrong is { } wrong)
                return wrong;
            var (secret, generated) = ClientSecret.Generate(now);
            return new NewSecret(secret, generated);
        }
        // It is kept as a fast hash: only length keeps it from being guessed.
        return text.Length < ClientSecret.MinLength
            ? Refusal.About(RefusalCode.InvalidParameter, "secret", $"a secret from elsewhere has at least {ClientSecret.MinLength} characters; leave it out to have one made")
            : new NewSecret(ClientSecret.Of(text, now), null);
    }
}
