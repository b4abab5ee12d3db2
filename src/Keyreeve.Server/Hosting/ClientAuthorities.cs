using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Core.Certificates;
using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// The authorities that vouch for clients' certificates, the built-in one and those of the settings, with their lists of revoked
/// certificates, which are read again when the file has changed.
/// </summary>
public sealed class ClientAuthorities
{
    /// <summary>Octets of the file. Our choice: some hundred thousand entries.</summary>
    private const int MaxLength = 16 * 1024 * 1024;

    private readonly string? _file;
    private byte[] _hash = [];
    private ClientTrust _trust;

    /// <summary>Reads the lists for the first time; what is wrong with them ends the start.</summary>
    /// <exception cref="SettingsException">The file cannot be read, or a list in it is none of the pinned authorities'.</exception>
    public ClientAuthorities(ClientSettings settings, X509Certificate2 builtIn)
    {
        _file = settings.RevocationLists;
        _trust = new([builtIn, .. settings.TrustAnchors], [], settings.RefusesUnknownRevocation, builtIn);
        ReloadIfChanged();
    }

    /// <summary>Whom clients' certificates are believed by, as of now.</summary>
    public ClientTrust Trust => Volatile.Read(ref _trust);

    /// <summary>Reads the lists if the file is another one than last time. What is wrong is thrown, and the lists of before stay.</summary>
    /// <exception cref="SettingsException">As above.</exception>
    public void ReloadIfChanged()
    {
        if (_file is null)
            return;
        byte[] content;
        try
        {
            content = new FileInfo(_file).Length <= MaxLength ? File.ReadAllBytes(_file) : throw Wrong("is larger than 16 MiB");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong("cannot be read");
        }
        var hash = SHA256.HashData(content);
        if (hash.AsSpan().SequenceEqual(_hash))
            return;
        var lists = new List<RevokedSerials>();
        foreach (var der in ListsIn(content))
            lists.Add(RevokedSerials.TryRead(der, Trust.Anchors, out var list, out var reason) ? list : throw Wrong($"holds a list that is refused: {reason}"));
        Volatile.Write(ref _trust, Trust.With(lists.Count > 0 ? lists : throw Wrong("holds no list (-----BEGIN X509 CRL-----)")));
        _hash = hash;
    }

    /// <summary>PEM blocks, or the file as one list in DER.</summary>
    private static List<byte[]> ListsIn(byte[] content)
    {
        if (content is [0x30, ..])
            return [content];
        var (text, found) = (Encoding.ASCII.GetString(content), new List<byte[]>());
        for (var rest = text.AsSpan(); PemEncoding.TryFind(rest, out var fields); rest = rest[fields.Location.End..])
            if (rest[fields.Label].SequenceEqual("X509 CRL"))
#pragma warning disable RS0030 // PEM is plain base64 with line breaks (RFC 7468)
                found.Add(Convert.FromBase64String(rest[fields.Base64Data].ToString()));
#pragma warning restore RS0030
        return found;
    }

    private SettingsException Wrong(string why) => new($"Clients:RevocationLists: {_file} {why}");
}
