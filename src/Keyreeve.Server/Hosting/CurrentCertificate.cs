using Keyreeve.Server.Settings;

namespace Keyreeve.Server.Hosting;

/// <summary>The certificate of the listeners now; replaced while serving. Ours, or that of the operator's files.</summary>
public sealed class CurrentCertificate
{
    private static readonly TimeSpan RenewAfter = TimeSpan.FromDays(30);

    private readonly Func<DateTimeOffset, ServerCertificate>? _own;
    private readonly ServerCertificateFiles? _files;
    private readonly TimeProvider _clock;
    private ServerCertificate _now;

    /// <summary>Makes or reads the first one.</summary>
    /// <exception cref="SettingsException">The files are wrong; the message says how.</exception>
    public CurrentCertificate(Pki pki, CertificateSettings settings, string hostName, TimeProvider clock)
    {
        _clock = clock;
        if (settings is { ServerCertificate: { } certificate, ServerKey: { } key })
            _now = (_files = new ServerCertificateFiles(certificate, key, hostName)).Read(clock.GetUtcNow());
        else
            _now = (_own = now => pki.IssueServerCertificate(hostName, now))(clock.GetUtcNow());
    }

    /// <summary>For the next handshake.</summary>
    public ServerCertificate Now => Volatile.Read(ref _now);

    /// <summary>Ours: makes a new one every 30 days, with 60 left.</summary>
    public void RenewIfOld()
    {
        if (_own is not null && _clock.GetUtcNow() - Now.IssuedAt > RenewAfter)
            Volatile.Write(ref _now, _own(_clock.GetUtcNow()));
    }

    /// <summary>The files': reads them if they are others than last time. True when another certificate is shown from now on.</summary>
    /// <exception cref="SettingsException">What is new is wrong; the certificate of before stays.</exception>
    public bool ReloadIfChanged()
    {
        if (_files?.ReadIfChanged(_clock.GetUtcNow()) is not { } read)
            return false;
        Volatile.Write(ref _now, read);
        return true;
    }
}
