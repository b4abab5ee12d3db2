using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Keyreeve.Core.Certificates;
using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Hosting;

/// <summary>
/// The authorities that vouch for clients' certificates, the built-in one and those of the settings, with their lists of revoked
/// certificates. Both files are read again when they have changed.
/// </summary>
public sealed class ClientAuthorities
{
    /// <summary>Octets of a file. Our choice: some hundred thousand entries of a list.</summary>
    private const int MaxLength = 16 * 1024 * 1024;

    private readonly ClientSettings _settings;
    private readonly X509Certificate2? _builtIn;
    private readonly Func<RevokedCertificates> _revokedByUs;
    private readonly Lock _reading = new();
    private byte[] _hash = [];
    private ClientTrust _trust;
    private Tuple<ClientTrust, ClientTrust>? _current; // as read, and with what we have revoked

    /// <summary>Reads the files for the first time; what is wrong with them ends the start.</summary>
    /// <param name="settings">Which files, and how much is believed.</param>
    /// <param name="builtIn">The built-in VAL authority.</param>
    /// <param name="revokedByUs">What it has revoked, now.</param>
    /// <exception cref="SettingsException">A file cannot be read, or a list in it is none of the pinned authorities'.</exception>
    public ClientAuthorities(ClientSettings settings, X509Certificate2 builtIn, Func<RevokedCertificates> revokedByUs)
    {
        (_settings, _builtIn, _revokedByUs) = (settings, settings.BelievesBuiltIn ? builtIn : null, revokedByUs);
        _trust = new(_builtIn is null ? [] : [_builtIn], [], settings.RefusesUnknownRevocation, _builtIn);
        ReloadIfChanged();
    }

    /// <summary>Whom clients' certificates are believed by, as of now.</summary>
    public ClientTrust Trust
    {
        get
        {
            var (read, revoked) = (Volatile.Read(ref _trust), _revokedByUs());
            if (Volatile.Read(ref _current) is { } known && ReferenceEquals(known.Item1, read) && ReferenceEquals(known.Item2.RevokedByUs, revoked))
                return known.Item2;
            var current = read.With(revoked);
            Volatile.Write(ref _current, Tuple.Create(read, current));
            return current;
        }
    }

    /// <summary>Reads the files if they are others than last time. What is wrong is thrown, and what was read before stays.</summary>
    /// <returns>True when something new counts from now on.</returns>
    /// <exception cref="SettingsException">As above.</exception>
    public bool ReloadIfChanged()
    {
        lock (_reading)
            return ReadIfChanged();
    }

    private bool ReadIfChanged()
    {
        if (_settings.TrustAnchorsFile is null && _settings.RevocationLists is null)
            return false;
        var anchorsRead = Read("Clients:TrustAnchors", _settings.TrustAnchorsFile);
        var listsRead = Read("Clients:RevocationLists", _settings.RevocationLists);
        var hash = SHA256.HashData([.. SHA256.HashData(anchorsRead), .. SHA256.HashData(listsRead)]);
        if (hash.AsSpan().SequenceEqual(_hash))
            return false;
        X509Certificate2Collection anchors = _builtIn is null ? [] : [_builtIn];
        if (_settings.TrustAnchorsFile is not null)
            anchors.AddRange(AnchorsIn(anchorsRead));
        var lists = new List<RevokedSerials>();
        foreach (var der in ListsIn(listsRead))
            lists.Add(RevokedSerials.TryRead(der, anchors, out var list, out var reason) ? list : throw Wrong("Clients:RevocationLists", _settings.RevocationLists, $"holds a list that is refused: {reason}"));
        if (_settings.RevocationLists is not null && lists.Count == 0)
            throw Wrong("Clients:RevocationLists", _settings.RevocationLists, "holds no list (-----BEGIN X509 CRL-----)");
        Volatile.Write(ref _trust, new(anchors, lists, _settings.RefusesUnknownRevocation, _builtIn));
        _hash = hash;
        return true;
    }

    private X509Certificate2Collection AnchorsIn(byte[] content)
    {
        var anchors = new X509Certificate2Collection();
        try
        {
            anchors.ImportFromPem(Encoding.ASCII.GetString(content));
        }
        catch (CryptographicException)
        {
            throw Wrong("Clients:TrustAnchors", _settings.TrustAnchorsFile, "cannot be read as PEM certificates");
        }
        return anchors.Count > 0 ? anchors : throw Wrong("Clients:TrustAnchors", _settings.TrustAnchorsFile, "holds no certificate");
    }

    private static byte[] Read(string setting, string? file)
    {
        if (file is null)
            return [];
        try
        {
            return new FileInfo(file).Length <= MaxLength ? File.ReadAllBytes(file) : throw Wrong(setting, file, "is larger than 16 MiB");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong(setting, file, "cannot be read");
        }
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

    private static SettingsException Wrong(string setting, string? file, string why) => new($"{setting}: {file} {why}");
}
