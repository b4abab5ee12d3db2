using System.Buffers.Text;
using System.Security.Cryptography;
using Keyreeve.Core.Keys;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// Where the KEK comes from: the file <c>kek</c> (the current key) and <c>kek.old</c> (keys that only open, one a line), or the environment variables
/// KEYREEVE_KEK and KEYREEVE_KEK_OLD (separated by white space), which go before the file <c>kek</c> and beside <c>kek.old</c>. Each key is 32 octets in
/// base64url. A process that dies between any two steps of a change leaves files with which everything opens.
/// </summary>
public sealed class KekFiles(DataFolder folder)
{
    private const string Current = "kek";
    private const string Old = "kek.old";

    /// <summary>True when the current key is not ours to change.</summary>
    public static bool IsFromEnvironment => FromEnvironment("KEYREEVE_KEK") is not null;

    /// <summary>The file of the keys that only open.</summary>
    public string OldFile => folder.Path(Old);

    /// <summary>When the current key was put in its file, in UTC; null when it comes from the environment.</summary>
    public DateTimeOffset? Since => IsFromEnvironment || !File.Exists(folder.Path(Current)) ? null : File.GetLastWriteTimeUtc(folder.Path(Current));

    /// <summary>
    /// The keys; the first one is made at the first start. Never made for a database that exists: what it sealed could not be opened.
    /// </summary>
    /// <param name="sealedStore">When there is a store that was sealed by a key that should be here: what says so and what to do.</param>
    public Kek Open(string? sealedStore) =>
        new(OpenCurrent(sealedStore), [.. ReadOld().Select(k => Key(k, OldFile)), .. Split(FromEnvironment("KEYREEVE_KEK_OLD") ?? "").Select(k => Key(k, "the environment variable KEYREEVE_KEK_OLD"))]);

    /// <summary>For the server, which has the folder for itself: what a change left that was cut short before it counted.</summary>
    public void Tidy()
    {
        File.Delete(folder.Path(Current + ".new"));
        File.Delete(folder.Path(Old + ".new"));
    }

    /// <summary>A new key in its text.</summary>
    public static string Make() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SealingKey.KeySize));

    /// <summary>The text of the key in <c>kek.old</c> that has this id, or null.</summary>
    public string? FindOld(string id) => ReadOld().Find(k => IdOf(k) == id);

    /// <summary>Ids of the keys in <c>kek.old</c>; those of the environment are not ours to take out.</summary>
    public IReadOnlyList<string> OldIds => [.. ReadOld().Select(IdOf).Distinct(StringComparer.Ordinal)];

    /// <summary>Step 1 of a rotation: both keys stand in kek.old, so that whatever is sealed by either from here on opens after a crash.</summary>
    public void Prepare(string next) => WriteOld([.. ReadOld(), CurrentText(), next]);

    /// <summary>Step 2: the next start seals with it.</summary>
    public void Switch(string next)
    {
        folder.Write(Current, next + "\n");
        // Only tidies: the current key need not be among the old ones.
        WriteOld(ReadOld().FindAll(k => k != next));
    }

    /// <summary>Takes keys out of <c>kek.old</c>. The old content is overwritten where it lay, after the new file has taken its place.</summary>
    public void Remove(IReadOnlyCollection<string> ids)
    {
        using var before = new FileStream(OldFile, FileMode.Open, FileAccess.ReadWrite);
        WriteOld(ReadOld().FindAll(k => !ids.Contains(IdOf(k))));
        before.Write(new byte[before.Length]);
        before.Flush(flushToDisk: true);
    }

    /// <summary>The key a text is.</summary>
    public static SealingKey Key(string text, string source)
    {
        var octets = new byte[SealingKey.KeySize];
        try
        {
            if (Base64Url.IsValid(text) && Base64Url.TryDecodeFromChars(text, octets, out var written) && written == SealingKey.KeySize)
                return SealingKey.FromBytes(octets);
            throw new DataFolderException($"{source} is not a KEK: 32 octets in base64url, 43 characters");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(octets);
        }
    }

    /// <summary>The id of the key that a text is.</summary>
    public static string IdOf(string text)
    {
        using var key = Key(text, Old);
        return key.Id;
    }

    private SealingKey OpenCurrent(string? sealedStore)
    {
        if (FromEnvironment("KEYREEVE_KEK") is { } text)
            return Key(text.Trim(), "the environment variable KEYREEVE_KEK");
        var file = folder.Path(Current);
        if (!File.Exists(file))
        {
            if (sealedStore is not null)
                throw new DataFolderException($"{file} is missing, and {sealedStore}, or set KEYREEVE_KEK");
            folder.Write(Current, Make() + "\n");
        }
        return Key(CurrentText(), file);
    }

    private string CurrentText() => ReadPrivate(folder.Path(Current)).Trim();

    private List<string> ReadOld() => File.Exists(OldFile) ? [.. Split(ReadPrivate(OldFile))] : [];

    private void WriteOld(List<string> keys)
    {
        if (keys.Count > 0)
            folder.Write(Old, string.Concat(keys.Distinct(StringComparer.Ordinal).Select(k => k + "\n")));
        else
            folder.Delete(Old);
    }

    private static string ReadPrivate(string file) => DataFolder.IsPrivate(file)
        ? File.ReadAllText(file)
        : throw new DataFolderException($"{file} can be read by others; run: chmod 600 {file}");

    private static string[] Split(string text) => text.Split((char[])[' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries);

    private static string? FromEnvironment(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? text : null;
}
