using System.Diagnostics.CodeAnalysis;

namespace Keyreeve.Wire.Seal;

/// <summary>
/// One line of an import of key records: the key of a record (TS 33.434 5.3.2) and key material.
/// <code>
/// {"serviceId":"...","userId":"...","payload":"..."}      at most one of clientId, deviceId and userId; the times of <see cref="KeyMaterial"/> may follow
/// </code>
/// </summary>
/// <param name="ServiceId">VAL service ID.</param>
/// <param name="Identity">The identity beside it.</param>
/// <param name="Material">The key material.</param>
public sealed record KeyRecordLine(string ServiceId, KmIdentity Identity, KeyMaterial Material)
{
    private static readonly string[] Members = ["serviceId", "clientId", "deviceId", "userId", .. KeyMaterial.Members];

    /// <summary>Reads a line; never throws.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(true)] out KeyRecordLine? line, [NotNullWhen(false)] out KmRequestError? error)
    {
        error = null;
        line = PlainKeyRecordLine.Find(json.Span);
        if (line is not null)
            return true;
        if (!KeyMaterial.TryParse(json, out var document, out error))
            return false;
        using (document)
        {
            var root = document.RootElement;
            if ((error = KeyMaterial.WhyUnknown(root, Members)) is not null
                || !KmRequest.TryText(root, "serviceId", required: true, 255, out var service, out error)
                || !KmRequest.TryText(root, "clientId", required: false, 255, out var client, out error)
                || !KmRequest.TryText(root, "deviceId", required: false, 255, out var device, out error)
                || !KmRequest.TryText(root, "userId", required: false, 255, out var user, out error))
                return false;
            if ((client is null ? 0 : 1) + (device is null ? 0 : 1) + (user is null ? 0 : 1) > 1)
            {
                error = new("userId", "at most one of clientId, deviceId and userId may be present");
                return false;
            }
            if (!KeyMaterial.TryRead(root, out var material, out error))
                return false;
            line = new(service!, KmRequest.IdentityOf(client, device, user), material);
            return true;
        }
    }
}
