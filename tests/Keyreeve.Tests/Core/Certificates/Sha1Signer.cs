using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Keyreeve.Tests.Core.Certificates;

/// <summary>Signs certificates with SHA-1, which the platform's own generator refuses to do: ECDSA, or RSA-PSS with its default parameters.</summary>
public sealed class Sha1Signer(AsymmetricAlgorithm key) : X509SignatureGenerator
{
    // SEQUENCE { OID ecdsa-with-SHA1 } and SEQUENCE { OID id-RSASSA-PSS, SEQUENCE {} }
    private static readonly byte[] EcdsaWithSha1 = [0x30, 0x09, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01];
    private static readonly byte[] PssDefaults = [0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A, 0x30, 0x00];

    public override byte[] GetSignatureAlgorithmIdentifier(HashAlgorithmName hashAlgorithm) => key is RSA ? PssDefaults : EcdsaWithSha1;

    public override byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm) => key switch
    {
        RSA rsa => rsa.SignData(data, HashAlgorithmName.SHA1, RSASignaturePadding.Pss),
        ECDsa ec => ec.SignData(data, HashAlgorithmName.SHA1, DSASignatureFormat.Rfc3279DerSequence),
        _ => throw new NotSupportedException(),
    };

    protected override PublicKey BuildPublicKey() => new(key);
}
