using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Samples;

/// <summary>A client's two key pairs, one that signs key requests and one that opens key material: PEM files for their owner alone, and the public halves beside them.</summary>
internal sealed class KeyPairs : IDisposable
{
    private KeyPairs(string folder, bool areNew)
    {
        AreNew = areNew;
        PublicFile = Path.Combine(folder, "jwks.json");
        var (signing, payload) = (ECDsa.Create(), ECDiffieHellman.Create());
        signing.ImportFromPem(File.ReadAllText(Path.Combine(folder, "signing.pem")));
        payload.ImportFromPem(File.ReadAllText(Path.Combine(folder, "payload.pem")));
        (Signer, Payload) = (ClientSigningKey.FromEcdsa(signing), JweKey.FromEcdh(payload));
        if (areNew)
            File.WriteAllBytes(PublicFile, PublicHalves(JsonWebKey.FromEcdsa(signing), JsonWebKey.FromEcdh(payload, "payload")));
    }

    /// <summary>True when they were made just now.</summary>
    public bool AreNew { get; }

    /// <summary>The key set to register.</summary>
    public string PublicFile { get; }

    public ClientSigningKey Signer { get; }

    public JweKey Payload { get; }

    public static KeyPairs OfFolder(string folder)
    {
        Directory.CreateDirectory(folder);
        using var signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var payload = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var areNew = MakeIfAbsent(Path.Combine(folder, "signing.pem"), signing.ExportPkcs8PrivateKeyPem);
        areNew |= MakeIfAbsent(Path.Combine(folder, "payload.pem"), payload.ExportPkcs8PrivateKeyPem);
        return new(folder, areNew);
    }

    public void Dispose()
    {
        Signer.Dispose();
        Payload.Dispose();
    }

    private static bool MakeIfAbsent(string file, Func<string> make)
    {
        if (File.Exists(file))
            return false;
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var writer = new StreamWriter(file, options);
        writer.Write(make());
        return true;
    }

    private static byte[] PublicHalves(params JsonWebKey[] keys)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
            JsonWebKeySet.Of(keys).WritePublic(json);
        return buffer.WrittenSpan.ToArray();
    }
}
