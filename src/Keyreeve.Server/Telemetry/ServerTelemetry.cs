using System.Diagnostics.Metrics;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Outbox;
using Keyreeve.Server.Hosting;
using Keyreeve.Server.Outbox;
using Keyreeve.Storage;
using Keyreeve.Web.Login;
using Keyreeve.Wire.Jose;

namespace Keyreeve.Server.Telemetry;

/// <summary>The instruments of this project (docs/operations.md): mostly looks at what a running server has anyway, taken when a report is made.</summary>
public sealed class ServerTelemetry : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "Keyreeve.Server";

    private static readonly Meter Counting = new(MeterName);

    private static readonly Counter<long> Swept = Counting.CreateCounter<long>("keyreeve.sweeper.rows", "{row}", "Expired rows deleted, by table");

    private static readonly Counter<long> Attempts = Counting.CreateCounter<long>("keyreeve.outbox.attempts", "{attempt}", "Attempts to deliver a message, by what became of them");

    private readonly Meter _meter = new(MeterName);
    private readonly ServerParts _parts;
    private readonly CurrentCertificate _certificate;

    /// <summary>Looks at a server until it is disposed.</summary>
    public ServerTelemetry(ServerParts parts, AuditQueue audit, PasswordQueue passwords, CurrentCertificate certificate, OutboxDelivery outbox)
    {
        (_parts, _certificate) = (parts, certificate);
        _meter.CreateObservableUpDownCounter("keyreeve.audit.queue", () => audit.Waiting, "{entry}", "Audit lines that wait to be written");
        _meter.CreateObservableUpDownCounter("keyreeve.password.queue", () => passwords.Waiting, "{login}", "Logins that wait for a turn");
        _meter.CreateObservableUpDownCounter("keyreeve.store.queue", () => parts.Stores.Database.WaitingWrites, "{write}", "Writes that wait for their transaction");
        _meter.CreateObservableUpDownCounter("keyreeve.store.keys.remembered", () => parts.Stores.KeyMemory.Count, "{record}", "Key records in memory");
        _meter.CreateObservableUpDownCounter("keyreeve.store.keys.size", () => parts.Stores.KeyMemory.Octets, "By", "What they take");
        _meter.CreateObservableUpDownCounter("keyreeve.outbox.waiting", () => outbox.Backlog.Waiting, "{message}", "Messages that wait to be delivered");
        _meter.CreateObservableGauge("keyreeve.outbox.oldest", () => outbox.Backlog.OldestAt is { } at ? Math.Max(0, (Now.ToUnixTimeMilliseconds() - at) / 1000d) : 0, "s", "Age of the oldest message that waits");
        _meter.CreateObservableGauge("keyreeve.snapshot.age", () => parts.State.Age.TotalSeconds, "s", "Time since this node was known to be up to the store");
        _meter.CreateObservableGauge("keyreeve.signing_key.age", SigningKeyAges, "s", "Time since the current signing key began to sign");
        _meter.CreateObservableGauge("keyreeve.certificate.remaining", CertificateDays, "d", "Days until a certificate ends");
    }

    private DateTimeOffset Now => _parts.Clock.GetUtcNow();

    /// <summary>Rows were deleted.</summary>
    /// <param name="table">A constant of the code.</param>
    /// <param name="rows">How many.</param>
    public static void SweptRows(string table, int rows)
    {
        if (rows > 0)
            Swept.Add(rows, new KeyValuePair<string, object?>("keyreeve.table", table));
    }

    /// <summary>A message was tried.</summary>
    public static void Attempted(DeliveryVerdict verdict) => Attempts.Add(1, new KeyValuePair<string, object?>("keyreeve.delivery", verdict switch
    {
        DeliveryVerdict.Delivered => "delivered",
        DeliveryVerdict.Refused => "refused",
        DeliveryVerdict.Later => "postponed",
    }));

    /// <inheritdoc />
    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<double>> SigningKeyAges()
    {
        var (ring, now) = (_parts.State.Keys, Now);
        foreach (var algorithm in _parts.Options.Settings.Rotation.Algorithms)
            if (ring.Current(algorithm, now) is { } key)
                yield return new(now.ToUnixTimeSeconds() - key.Row.ActivatesAt, new KeyValuePair<string, object?>("keyreeve.algorithm", algorithm.ToString()));
    }

    private IEnumerable<Measurement<double>> CertificateDays()
    {
        yield return Days("server", _certificate.Now.Certificate.NotAfter);
        foreach (var role in Enum.GetValues<CaRole>())
            yield return Days(NameOf(role), _parts.Pki[role].Certificate.NotAfter);
    }

    private Measurement<double> Days(string name, DateTime notAfter) =>
        new((notAfter.ToUniversalTime() - Now.UtcDateTime).TotalDays, new KeyValuePair<string, object?>("keyreeve.certificate", name));

    private static string NameOf(CaRole role) => role switch
    {
        CaRole.Root => "ca.root",
        CaRole.Servers => "ca.servers",
        CaRole.Operators => "ca.operators",
        CaRole.ValMc => "ca.val_mc",
        CaRole.Capif => "ca.capif",
    };
}
