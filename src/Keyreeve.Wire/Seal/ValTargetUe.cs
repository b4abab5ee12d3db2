using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Keyreeve.Wire.Jose;
using Keyreeve.Wire.OAuth;

namespace Keyreeve.Wire.Seal;

/// <summary>
/// ValTargetUe of TS 29.549: exactly one of a VAL user and a VAL UE. Here it is a <see cref="KmIdentity"/> of kind User or Device.
/// <code>
///  body    { "valUserId": "sip:a@val.example" }    or    { "valUeId": "ue-1" }
///  query   ?val-tgt-ue={"valUserId":"..."}         the object as JSON text
///          ?valUserId=...                          its members, as style form with explode writes an object
/// </code>
/// The OpenAPI file gives the parameter a 'schema' and no style, whose default is the third line; peers send the second as well.
/// </summary>
[Spec("TS 29.549", "SS_UserProfileRetrieval")]
public static class ValTargetUe
{
    /// <summary>The parameter of queries.</summary>
    public const string Parameter = "val-tgt-ue";

    /// <summary>Octets of an identity. Our choice, as in the KM Request.</summary>
    public const int MaxIdentity = 255;

    private const string User = "valUserId";
    private const string Ue = "valUeId";

    /// <summary>Octets of the JSON text: an identity of which each octet is an escape, and room for members that we do not know.</summary>
    private const int MaxJson = 4 * 1024;

    /// <summary>Reads it from a query, null when it is not there; never throws.</summary>
    public static bool TryReadQuery(ParameterList query, out KmIdentity? target, [NotNullWhen(false)] out KmRequestError? error)
    {
        target = null;
        var (json, user, ue) = ((string?)null, (string?)null, (string?)null);
        error = !query.TrySingle(Parameter, out json) ? new(Parameter, "is sent once")
            : !query.TrySingle(User, out user) ? new(User, "is sent once")
            : !query.TrySingle(Ue, out ue) ? new(Ue, "is sent once")
            : null;
        if (error is not null)
            return false;
        if (json is not null && (user is not null || ue is not null))
        {
            error = new(Parameter, "is one object, as JSON text or as its members, not both");
            return false;
        }
        if (json is null)
            return user is null && ue is null || TryMake(Parameter, user, ue, out target, out error);
        if (!StrictJson.TryParseObject(Encoding.UTF8.GetBytes(json), MaxJson, out var document, out _))
        {
            error = new(Parameter, "is a JSON object with distinct members");
            return false;
        }
        using (document)
            return TryRead(document.RootElement, Parameter, out target, out error);
    }

    /// <summary>Reads it from a body; never throws. Members that are not known are not looked at.</summary>
    /// <param name="element">The object.</param>
    /// <param name="path">How an error names it.</param>
    /// <param name="target">Who is meant.</param>
    /// <param name="error">What is wrong.</param>
    public static bool TryRead(JsonElement element, string path, [NotNullWhen(true)] out KmIdentity? target, [NotNullWhen(false)] out KmRequestError? error)
    {
        target = null;
        if (element.ValueKind != JsonValueKind.Object)
        {
            error = new(path, "is an object with valUserId or valUeId");
            return false;
        }
        if (!KmRequest.TryText(element, User, required: false, MaxIdentity, out var user, out error) || !KmRequest.TryText(element, Ue, required: false, MaxIdentity, out var ue, out error))
        {
            error = new($"{path}/{error!.Param}", error.Reason);
            return false;
        }
        return TryMake(path, user, ue, out target, out error);
    }

    /// <summary>Writes the object.</summary>
    public static void Write(Utf8JsonWriter json, KmIdentity target)
    {
        json.WriteStartObject();
        json.WriteString(target.Kind == KmIdentityKind.User ? User : Ue, target.Value);
        json.WriteEndObject();
    }

    /// <summary>"oneOf: required [valUserId], required [valUeId]": both are as wrong as none.</summary>
    private static bool TryMake(string path, string? user, string? ue, [NotNullWhen(true)] out KmIdentity? target, [NotNullWhen(false)] out KmRequestError? error)
    {
        target = null;
        if (user is null == ue is null)
        {
            error = new(path, "has exactly one of valUserId and valUeId");
            return false;
        }
        var identity = user is not null ? new KmIdentity(KmIdentityKind.User, user) : new KmIdentity(KmIdentityKind.Device, ue!);
        error = KmRequest.WhyNot(user is not null ? User : Ue, identity.Value, MaxIdentity);
        target = error is null ? identity : null;
        return error is null;
    }
}
