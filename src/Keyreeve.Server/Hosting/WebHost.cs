using System.Diagnostics;
using System.Net;
using System.Net.Security;
using Keyreeve.Core.Audit;
using Keyreeve.Core.Certificates;
using Keyreeve.Core.Events;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Keys;
using Keyreeve.Core.Snapshots;
using Keyreeve.Core.Tokens;
using Keyreeve.Engines.Outbound;
using Keyreeve.Engines.Tls;
using Keyreeve.OpenId;
using Keyreeve.Seal;
using Keyreeve.Server.Admin;
using Keyreeve.Server.Outbox;
using Keyreeve.Server.Sweeping;
using Keyreeve.Server.Telemetry;
using Keyreeve.Storage;
using Keyreeve.Web.Account;
using Keyreeve.Web.Clients;
using Keyreeve.Web.Http;
using Keyreeve.Web.Limits;
using Keyreeve.Web.Login;
using Keyreeve.Web.Pages;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Identity;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Keyreeve.Server.Hosting;

/// <summary>Puts the web application together: listeners, services, and the endpoints of every slice.</summary>
public static class WebHost
{
    /// <summary>Octets of a body at most; single endpoints allow less.</summary>
    private const long MaxBody = 1024 * 1024;

    /// <summary>Octets of a refused body that are read and thrown away. Our choice.</summary>
    private const long MaxThrownAway = 16 * 1024 * 1024;

    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Builds it; nothing runs yet.</summary>
    public static WebApplication Build(ServerParts parts, BoundSockets sockets)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { Args = [], ApplicationName = "Keyreeve.Server", ContentRootPath = AppContext.BaseDirectory });
        // Settings come from one place (SettingsReader); what the framework would read beside it is not heard.
        builder.Configuration.Sources.Clear();
        ConfigureLogging(builder.Logging, parts.Options);
        var certificate = new CurrentCertificate(parts.Pki, parts.Options.Settings.Certificates, parts.Options.Settings.HostName, parts.Clock);
        ConfigureListeners(builder, parts, sockets, certificate);
        AddServices(builder.Services, parts, certificate);
        var app = builder.Build();
        // Every door checks who comes by itself, and no scheme of the framework is registered: without this word it would look for one in each request.
        ((IApplicationBuilder)app).Properties["__AuthenticationMiddlewareSet"] = true;
        if (parts.Options.Settings.Telemetry is { Endpoint: not null, TraceSampleRatio: > 0 })
            app.UseRequestSpans();
        app.Use(RefuseLongBodies);
        app.UseMiddleware<UnhandledErrors>();
        PageLanguage.UsePageLanguage(app);
        app.UseRouting();
        app.UseListenerRouting();
        RevokedCertificateDoor.Use(app, parts);
        Map(app, parts);
        _ = app.Services.GetRequiredService<ClockWatch>().Warnings(); // the log has it from the start
        return app;
    }

    /// <summary>
    /// A body that is too long is refused unread, and every door does so. What is not longer than <see cref="MaxThrownAway"/> is still read off the
    /// connection behind the answer (Kestrel gives that five seconds): closed before, the client would see a broken pipe and not the answer. Before more than that
    /// the connection is closed, and the answer says so.
    /// </summary>
    private static Task RefuseLongBodies(HttpContext context, RequestDelegate next)
    {
        if (context.Request.ContentLength is > MaxBody and var length && HttpProtocol.IsHttp11(context.Request.Protocol))
        {
            if (length <= MaxThrownAway && context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
                limit.MaxRequestBodySize = length;
            else
                context.Response.Headers.Connection = "close";
        }
        return next(context);
    }

    private static void Map(WebApplication app, ServerParts parts)
    {
        Health.Map(app);
        RevocationListPages.Map(app, parts);
        HomePages.Map(app, parts);
        app.MapGroup("").On(Listener.Https).MapPageAssets();
        app.MapLogin();
        app.MapAccount();
        app.MapOpenId();
        app.MapSeal();
        app.MapAdmin();
    }

    private static void ConfigureLogging(ILoggingBuilder logging, ServerOptions options)
    {
        logging.ClearProviders();
        logging.SetMinimumLevel(options.Settings.LogLevel);
        // Whatever level is set: the framework's own lines hold whole request URIs, and in the query of TS 29.549 stand VAL user IDs
        // (TS 33.434 4.1-e).
        logging.AddFilter("Microsoft", LogLevel.Warning);
        if (options.Quiet)
            return;
        logging.AddSimpleConsole(o =>
        {
            o.SingleLine = true;
            o.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
            o.UseUtcTimestamp = true;
        });
    }

    private static void ConfigureListeners(WebApplicationBuilder builder, ServerParts parts, BoundSockets sockets, CurrentCertificate certificate)
    {
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseSockets(o => o.CreateBoundListenSocket = sockets.Take);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBody;
            kestrel.Limits.MaxRequestLineSize = 24 * 1024; // our choice: a login ticket holds a whole authorization request (OAuthLimits.MaxQuery) in base64url
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(30); // our choice: idle connections are cheap to make anew
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
            kestrel.Limits.MaxConcurrentConnections = 10_000; // our choice: about 1 GB of TLS state at the worst
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
            foreach (var (name, endPoint) in parts.EndPoints)
            {
                kestrel.Listen(endPoint, listen =>
                {
                    var listener = new Listener(name);
                    listen.Use(next => connection =>
                    {
                        connection.Features.Set(listener);
                        return next(connection);
                    });
                    if (name == Listener.Health)
                        listen.Protocols = HttpProtocols.Http1;
                    else
                        listen.UseHttps(name == Listener.Mtls ? AskingHandshake(certificate) : Handshake(certificate));
                });
            }
        });
    }

    /// <summary>One set of options per connection: each remembers what the client sent with its certificate.</summary>
    private static TlsHandshakeCallbackOptions AskingHandshake(CurrentCertificate certificate) => new()
    {
        HandshakeTimeout = HandshakeTimeout,
        OnConnection = context =>
        {
            var features = context.Connection.Features;
            var options = OptionsOf(certificate.Now);
            TlsProfile.ConfigureServer(options, askForClientCertificate: true, intermediates => ConnectionCertificate.Keep(features, intermediates));
            return ValueTask.FromResult(options);
        },
    };

    private static SslServerAuthenticationOptions OptionsOf(ServerCertificate now) => new()
    {
        ServerCertificateContext = now.Context,
        ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
    };

    /// <summary>One set of options per certificate, shared by all handshakes of a listener.</summary>
    private static TlsHandshakeCallbackOptions Handshake(CurrentCertificate certificate)
    {
        Tuple<ServerCertificate, SslServerAuthenticationOptions>? made = null; // one reference: read by many handshakes at once
        return new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = HandshakeTimeout,
            OnConnection = _ =>
            {
                var now = certificate.Now;
                if (Volatile.Read(ref made) is { } known && ReferenceEquals(known.Item1, now))
                    return ValueTask.FromResult(known.Item2);
                var options = OptionsOf(now);
                TlsProfile.ConfigureServer(options, askForClientCertificate: false);
                Volatile.Write(ref made, Tuple.Create(now, options));
                return ValueTask.FromResult(options);
            },
        };
    }

    private static void AddServices(IServiceCollection services, ServerParts parts, CurrentCertificate certificate)
    {
        var (settings, stores) = (parts.Options.Settings, parts.Stores);
        var server = new ServerIdentity(parts.Issuer, parts.MtlsBase);
        services.AddSingleton(parts).AddSingleton(parts.Clock).AddSingleton(parts.Kek).AddSingleton(parts.State).AddSingleton(certificate).AddSingleton<KekKeeper>()
            .AddSingleton(server).AddSingleton(settings.Tokens).AddSingleton(parts.PreviousLife).AddSingleton(new LatestMoment(parts.PreviousLife.LastSeen)).AddSingleton<Readiness>()
            .AddSingleton<IDirectory>(stores.Directory).AddSingleton<IGrantStore>(stores.Grants).AddSingleton<ISessionStore>(stores.Sessions).AddSingleton<ICredentialStore>(stores.Credentials)
            .AddSingleton<IRevocationStore>(stores.Revocations).AddSingleton<IKeyRecordStore>(stores.KeyRecords).AddSingleton<ISealedStore>(stores.Sealed)
            .AddSingleton<ISealStore>(stores.Seal).AddSingleton(parts.Vault).AddSingleton<KeyProvisioning>().AddSingleton(parts.SealSources).AddSingleton<SealKeeper>().AddSingleton<SealWalk>()
            .AddSingleton<IConfigurationStore>(stores.Configurations).AddSingleton<IProfileStore>(stores.Profiles)
            .AddSingleton<IAssertionStore>(stores.Assertions).AddSingleton<ISeenRequestStore>(stores.SeenRequests).AddSingleton<IAuditStore>(stores.Audit).AddSingleton<AuditQueue>()
            .AddSingleton<IIssuerKeys>(services => services.GetRequiredService<RemoteKeys>()).AddSingleton<EncryptedTokens>()
            .AddSingleton(new TokenMinter(parts.Issuer))
            .AddSingleton(new TokenVerifier(parts.Issuer, () => parts.State.Keys, () => parts.State.Revocations, parts.Clock, settings.Tokens.Leeway, parts.Pairwise)).AddSingleton(parts.Pairwise)
            .AddSingleton(settings.Limits).AddSingleton<RequestLimits>().AddSingleton<AssertionMemory>().AddSingleton<RemoteKeys>().AddSingleton<IssuerIntrospection>().AddSingleton(parts.ClientAuthorities)
            .AddSingleton<Func<ClientTrust>>(() => parts.ClientAuthorities.Trust).AddSingleton<ClientAuthenticator>().AddSingleton<BrowserSessions>().AddSingleton<LoginTickets>()
            .AddSingleton(settings.Branding).AddSingleton(new PasswordSettings(settings.PasswordMinLength));
        AddLogin(services, parts);
        services.AddOpenId();
        services.AddSeal(new SealSettings
        {
            SKmsUris = settings.SKmsUris.Count > 0 ? settings.SKmsUris : [parts.Issuer + "/seal/km"],
            SKmsId = settings.SKmsId,
            Window = settings.KmWindow,
            AllSign = settings.KmSignaturesRequired,
            EncryptsAll = settings.KmEncryptionRequired,
            AllShowCertificates = settings.SealCertificatesRequired,
            MaxRecordsPerService = settings.MaxRecordsPerService,
            FailureReceivers = [.. settings.EventReceivers.Where(r => r.About.HasFlag(EventSubjects.KeyFailures))],
        }, shared: stores.Database is not SqliteEngine);
        services.AddSingleton(provider => new KeyFailureEvents(parts.Issuer, provider.GetRequiredService<SealSettings>().FailureReceivers));
        services.AddAdmin();
        services.AddHostedService<BackgroundWork>().AddHostedService<Custody>().AddHostedService(provider => provider.GetRequiredService<SealWalk>());
        // Another clock than the system's is a test's: what the kernel thinks of its own says nothing about it.
        services.AddSingleton(provider => new ClockWatch(provider.GetRequiredService<ILogger<ClockWatch>>()) { IsSynchronised = parts.Clock == TimeProvider.System ? KernelClock.IsSynchronised : () => null });
        services.AddSingleton<CertificateCare>().AddHostedService(provider => provider.GetRequiredService<CertificateCare>());
        services.Replace(ServiceDescriptor.Singleton<DistributedContextPropagator, NoPropagation>());
        AddOutboxAndSweeping(services, parts);
        // Stopping takes 10 s at most; what is open after 6 s is cut, so that the rest of the stop has its time.
        services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(6));
    }

    private static void AddOutboxAndSweeping(IServiceCollection services, ServerParts parts)
    {
        var outbound = parts.Options.Settings.Outbound;
        // The own root is trusted beside what the operator names: resource servers often have certificates of this very authority.
        services.AddSingleton(_ => new OutboundHttp(outbound with { TrustAnchors = [.. outbound.TrustAnchors, parts.Pki.Root] }, parts.Clock));
        services.AddSingleton<ClientLogos>().AddHostedService(provider => provider.GetRequiredService<ClientLogos>());
        services.AddSingleton(parts.Stores).AddSingleton<DeliverMessage>()
            .AddSingleton<OutboxDelivery>().AddHostedService(provider => provider.GetRequiredService<OutboxDelivery>());
        services.AddSingleton(provider => new Sweeper(parts.Stores, parts.Clock, provider.GetRequiredService<ILogger<Sweeper>>()) { Swept = ServerTelemetry.SweptRows })
            .AddHostedService(provider => provider.GetRequiredService<Sweeper>());
    }

    private static void AddLogin(IServiceCollection services, ServerParts parts)
    {
        services.AddRazorComponents();
        services.AddAntiforgery(o =>
        {
            o.Cookie.Name = "__Host-keyreeve-form";
            o.Cookie.SecurePolicy = CookieSecurePolicy.Always;
            o.Cookie.SameSite = SameSiteMode.Strict;
            o.Cookie.Path = "/";
            o.FormFieldName = "form_token";
            o.SuppressXFrameOptionsHeader = true; // PageHeaders says it, stricter
        });
        services.AddDataProtection().SetApplicationName("keyreeve");
        services.Configure<KeyManagementOptions>(o =>
        {
            o.XmlRepository = new SealedKeyRepository(parts.Stores.Sealed, parts.Kek, parts.Clock);
            o.XmlEncryptor = new Microsoft.AspNetCore.DataProtection.XmlEncryption.NullXmlEncryptor(); // the repository seals
        });
        services.AddHttpContextAccessor();
        services.AddAuthentication();
        services.Configure<PasswordHasherOptions>(o => o.IterationCount = parts.Options.Settings.PasswordIterations);
        services.AddIdentityCore<Account>(o =>
        {
            o.Lockout.MaxFailedAccessAttempts = 5;
            o.Lockout.DefaultLockoutTimeSpan = AccountStore.FirstLock; // AccountStore doubles it
        }).AddUserStore<AccountStore>().AddSignInManager();
        // Names and passwords are checked where users are made, not when they sign in.
        services.RemoveAll<IUserValidator<Account>>();
        services.RemoveAll<IPasswordValidator<Account>>();
        services.Configure<IdentityPasskeyOptions>(o => PasskeyCeremony.Configure(o, parts.Issuer));
        services.AddLoginMethods();
        services.AddSingleton<IPasswordHasher<Account>, PasswordHasher<Account>>();
        services.AddSingleton<PasswordQueue>();
    }
}
