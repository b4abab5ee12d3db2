using System.Buffers.Text;
using Keyreeve.Core.Keys;
using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Hosting;

/// <summary>Makes a root's source out of what there is: the server's KEK, the configured key, or what an operator gives.</summary>
public sealed class SealSources(Kek kek, ServerSettings settings)
{
    /// <summary>The environment variable with the key of a key file.</summary>
    public const string Variable = "KEYREEVE_SEAL_KEY";

    /// <summary>Where the configured key is, for the operator; null when none is configured.</summary>
    public string? ConfiguredIn => FromEnvironment is not null ? $"the environment variable {Variable}" : settings.SealKeyFile is { } file ? $"the file {file}" : null;

    private static string? FromEnvironment => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } text ? text : null;

    /// <summary>What opens a root of this method without an operator. Null when an operator must; <paramref name="why"/> then says what is missing.</summary>
    public IRootKeySource? Automatic(SealMethod method, out string why)
    {
        why = $"it is sealed by {NameOf(method)}, and the server was not given the secret";
        if (method == SealMethod.Kek)
            return new KekRootSource(kek);
        if (method != SealMethod.KeyFile || ConfiguredIn is not { } place)
            return null;
        string text;
        try
        {
            text = FromEnvironment ?? File.ReadAllText(settings.SealKeyFile!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            why = $"{place} cannot be read";
            return null;
        }
        if (UnsealKey.OfFile(text) is { } key)
            return new KeyRootSource(SealMethod.KeyFile, key);
        why = $"{place} holds no key: 32 octets in base64url, 43 characters";
        return null;
    }

    /// <summary>What an operator's text is for a root that is there, or null when it cannot be one. Takes as long as the passphrase's iterations do.</summary>
    public IRootKeySource? Given(SealRoot root, string text) => root.Method switch
    {
        SealMethod.KeyFile or SealMethod.Shares => UnsealKey.OfFile(text) is { } key ? new KeyRootSource(root.Method, key) : null,
        SealMethod.Passphrase => OfPassphrase(text, root.Parameters),
        SealMethod.Kek or SealMethod.NextRoot => null,
    };

    /// <summary>A source for a new root, with what must be remembered beside it.</summary>
    public (IRootKeySource Source, SealParameters Parameters)? ForNew(SealMethod method, string? text, SealParameters asked) => method switch
    {
        SealMethod.Kek => (new KekRootSource(kek), new()),
        SealMethod.KeyFile => UnsealKey.OfFile(text ?? "") is { } key ? (new KeyRootSource(method, key), new()) : null,
        SealMethod.Shares => UnsealKey.OfFile(text ?? "") is { } key ? (new KeyRootSource(method, key), asked) : null,
        SealMethod.Passphrase => NewPassphrase(text ?? ""),
        SealMethod.NextRoot => null,
    };

    /// <summary>As the admin API and the command line write it.</summary>
    public static string NameOf(SealMethod method) => method switch
    {
        SealMethod.Kek => "kek",
        SealMethod.KeyFile => "key-file",
        SealMethod.Passphrase => "passphrase",
        SealMethod.Shares => "shares",
        SealMethod.NextRoot => "next-root",
    };

    private static (IRootKeySource, SealParameters)? NewPassphrase(string text)
    {
        var parameters = new SealParameters { Iterations = UnsealKey.Iterations, Salt = Base64Url.EncodeToString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(UnsealKey.SaltSize)) };
        return OfPassphrase(text, parameters) is { } source ? (source, parameters) : null;
    }

    private static KeyRootSource? OfPassphrase(string text, SealParameters parameters) =>
        parameters.Salt is { } salt && Base64Url.IsValid(salt) && parameters.Iterations is >= UnsealKey.LeastIterations and <= UnsealKey.MostIterations
            ? new KeyRootSource(SealMethod.Passphrase, UnsealKey.OfPassphrase(text, Base64Url.DecodeFromChars(salt), parameters.Iterations))
            : null;
}
