namespace Keyreeve.Server.Tour;

/// <summary>Where a tour plays: a running server with demo data.</summary>
/// <param name="Issuer">The SIM-S, with the port that was bound.</param>
/// <param name="CaPem">Path of the root certificate, the only one that is trusted.</param>
/// <param name="DemoJsonPath">Path of <c>demo.json</c>.</param>
public sealed record TourStage(Uri Issuer, string CaPem, string DemoJsonPath);

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
}

/// <summary>Why the tour cannot go on.</summary>
/// <param name="Expected">What the specification lets us expect.</param>
/// <param name="Found">What came instead.</param>
internal sealed record TourStop(string Expected, string Found);
