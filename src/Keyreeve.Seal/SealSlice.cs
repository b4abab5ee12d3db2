using Keyreeve.Core.Events;
using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.Seal;

/// <summary>SEAL over HTTP: the SKM-S (TS 33.434 clause 5.3), and the APIs of TS 29.549 that VAL servers use.</summary>
public static class SealSlice
{
    /// <summary>The slice's services.</summary>
    /// <param name="services">Where they go.</param>
    /// <param name="settings">Settings of the SKM-S.</param>
    /// <param name="shared">True when several nodes may serve one database: then they share the memory of accepted requests.</param>
    public static IServiceCollection AddSeal(this IServiceCollection services, SealSettings settings, bool shared)
    {
        services.AddSingleton(settings).AddSingleton<SealS>().AddSingleton<SealContext>().AddSingleton<ValServerDoor>().AddSingleton<RecordQuota>().AddSingleton<ChangeKeyRecord>().AddSingleton<EndToEnd>().AddSingleton<KeyFailures>();
        return shared
            ? services.AddSingleton<SharedReplays>().AddSingleton<IReplayMemory>(s => s.GetRequiredService<SharedReplays>())
            : services.AddSingleton<IReplayMemory, ReplayMemory>();
    }

    /// <summary>The slice's endpoints.</summary>
    public static void MapSeal(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods(RequestKeyMaterial.Path, ["POST"], RequestKeyMaterial.HandleAsync).On(Listener.Https, Listener.Mtls).Refusing(RequestKeyMaterial.RefuseAsync);
        routes.MapMethods(RetrieveKeyInfo.Path, ["GET"], RetrieveKeyInfo.HandleAsync).On(Listener.Https, Listener.Mtls).Refusing(RetrieveKeyInfo.RefuseAsync);
        routes.MapMethods(ProvisionKeys.Path, ["POST"], ProvisionKeys.HandleAsync).On(Listener.Https, Listener.Mtls).Refusing(ProvisionKeys.RefuseAsync);
        MapOwned("GET", OwnedRecordCall.Collection, ListOwnedRecords.HandleAsync);
        MapOwned("GET", OwnedRecordCall.Document, ShowOwnedRecord.HandleAsync);
        MapOwned("PUT", OwnedRecordCall.Document, ReplaceOwnedRecord.HandleAsync);
        MapOwned("DELETE", OwnedRecordCall.Document, RemoveOwnedRecord.HandleAsync);
        MapOwned("POST", OwnedRecordCall.Recovery, RecoverOwnedRecord.HandleAsync);
        routes.MapMethods(RetrieveProfiles.Path, ["GET"], RetrieveProfiles.HandleAsync).On(Listener.Https, Listener.Mtls);
        Map("POST", ProvisioningCall.Collection, CreateConfiguration.HandleAsync);
        Map("GET", ProvisioningCall.Collection, ListConfigurations.HandleAsync);
        Map("GET", ProvisioningCall.Document, ShowConfiguration.HandleAsync);
        Map("PUT", ProvisioningCall.Document, ReplaceConfiguration.HandleAsync);
        Map("PATCH", ProvisioningCall.Document, ModifyConfiguration.HandleAsync);
        Map("DELETE", ProvisioningCall.Document, RemoveConfiguration.HandleAsync);

        void MapOwned(string method, string path, Func<OwnedRecordCall, Task<Core.Refusals.Refusal?>> operation) =>
            routes.MapMethods(path, [method], OwnedRecordCall.Of(path, operation)).On(Listener.Https, Listener.Mtls);

        void Map(string method, string path, Func<ProvisioningCall, Task<Core.Refusals.Refusal?>> operation) =>
            routes.MapMethods(path, [method], ProvisioningCall.Of(operation)).On(Listener.Https, Listener.Mtls);
    }
}

/// <summary>Settings of the SKM-S.</summary>
public sealed record SealSettings
{
    /// <summary>The URIs that name this SKM-S; the first is the one it answers with.</summary>
    public required IReadOnlyList<string> SKmsUris { get; init; }

    /// <summary>ID of this SKM-S in responses, 1 to 255 octets.</summary>
    public string SKmsId { get; init; } = "skms-1";

    /// <summary>"the Date/Time is within a recent time window (e.g. 5 seconds)": 1 to 30 seconds, to either side.</summary>
    [Spec("TS 33.434", "5.3.2")]
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Every client signs its requests, whatever its registration says.</summary>
    public bool AllSign { get; init; }

    /// <summary>All key material is encrypted for the client that asks, whatever its registration says.</summary>
    public bool EncryptsAll { get; init; }

    /// <summary>Every VAL server shows its certificate with its token at the SEAL APIs, whatever its registration says. Users' tokens are not concerned.</summary>
    public bool AllShowCertificates { get; init; }

    /// <summary>Key records that a VAL service may have by the requests of its VAL server; 0 for any number.</summary>
    public long MaxRecordsPerService { get; init; } = 1_000_000;

    /// <summary>Receivers of the operator that are told of failed key requests.</summary>
    public IReadOnlyList<EventReceiver> FailureReceivers { get; init; } = [];
}
