namespace Keyreeve.Server.Tour;

/// <summary>Where a tour plays: a running server with demo data.</summary>
/// <param name="Issuer">The SIM-S, with the port that was bound.</param>
/// <param name="CaPem">Path of the root certificate, the only one that is trusted.</param>
/// <param name="DemoJsonPath">Path of <c>demo.json</c>.</param>
/// <param name="Operators">The listener for operators.</param>
/// <param name="AdminPem">Path of an operator's certificate.</param>
/// <param name="AdminKey">Path of its key.</param>
public sealed record TourStage(Uri Issuer, string CaPem, string DemoJsonPath, Uri Operators, string AdminPem, string AdminKey);

/// <summary>One thing done wrong on purpose, to see that the server refuses it. A spoilt tour that ends with 0 has found a hole.</summary>
public enum TourSpoil
{
    /// <summary>Everything as it should be.</summary>
    None,

    /// <summary>The user's password is wrong: TS 33.434 5.2.4 step 3 must fail.</summary>
    WrongPassword,

    /// <summary>The code verifier is not the one of the challenge: step 6 must fail.</summary>
    WrongVerifier,

    /// <summary>The access token is revoked before it is used: clause 5.2.5 must fail.</summary>
    RevokedToken,

    /// <summary>The VAL server asks for key material of a VAL service that it does not own: clause 5.3.1 must fail.</summary>
    ForeignService,

    /// <summary>The serving system does not trust the primary one: clause 5.4 must fail.</summary>
    NoTrust,

    /// <summary>The token is revoked in the primary system before it is exchanged in the serving one: clause 5.4 must fail.</summary>
    RevokedAtPrimary,
}

/// <summary>Why the tour cannot go on.</summary>
/// <param name="Expected">What the specification lets us expect.</param>
/// <param name="Found">What came instead.</param>
internal sealed record TourStop(string Expected, string Found);
