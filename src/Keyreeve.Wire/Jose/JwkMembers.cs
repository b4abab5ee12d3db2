using System.Security.Cryptography;
using System.Text.Json;

namespace Keyreeve.Wire.Jose;

/// <summary>The members of one JWK as text, before anything is made of them. Unknown members are left aside (RFC 7517, 4).</summary>
internal struct JwkMembers
{
    internal string? Kty, Crv, X, Y, N, E, K, D, P, Q, Dp, Dq, Qi, Kid, Use, Alg;
    internal IReadOnlyList<string>? KeyOps, X5c;
    internal bool HasPrivate;

    /// <summary>
    /// Collects. A known member of another type than text (or list of text) is <see cref="JoseError.BadKey"/>; twice the same name
    /// is <see cref="JoseError.DuplicateMember"/> even if the element came from a reader that lets that pass.
    /// </summary>
    internal static JoseError Collect(JsonElement json, out JwkMembers members)
    {
        members = default;
        if (json.ValueKind != JsonValueKind.Object)
        {
            return JoseError.BadJson;
        }

        foreach (JsonProperty member in json.EnumerateObject())
        {
            JoseError refused = members.Take(member);
            if (refused != JoseError.None)
            {
                return refused;
            }
        }

        return members.Kty is null ? JoseError.BadKey : JoseError.None;
    }

    /// <summary>Makes a key of the members, or says why not.</summary>
    internal delegate JoseError Import<T>(in JwkMembers members, out T? key)
        where T : class;

    /// <summary>Reads a JWK that holds a secret. The text is copied, parsed and wiped; strings that were made of it are left to the collector.</summary>
    internal static JoseError ReadSecret<T>(ReadOnlySpan<byte> json, Import<T> import, out T? key)
        where T : class
    {
        key = null;
        if (json.Length > JoseLimits.MaxKeyLength)
        {
            return JoseError.TooLarge;
        }

        byte[] copy = json.ToArray();
        try
        {
            if (!StrictJson.TryParseObject(copy, JoseLimits.MaxKeyLength, out JsonDocument? document, out JoseError error))
            {
                return error;
            }

            using (document)
            {
                error = Collect(document.RootElement, out JwkMembers members);
                return error == JoseError.None ? import(members, out key) : error;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(copy);
        }
    }

    private JoseError Take(JsonProperty member)
    {
        string name;
        try
        {
            name = member.Name;
        }
        catch (InvalidOperationException)
        {
            return JoseError.BadJson; // a lone surrogate in a name
        }

        switch (name)
        {
            case "kty": return Text(member.Value, ref Kty);
            case "crv": return Text(member.Value, ref Crv);
            case "x": return Text(member.Value, ref X);
            case "y": return Text(member.Value, ref Y);
            case "n": return Text(member.Value, ref N);
            case "e": return Text(member.Value, ref E);
            case "kid": return Text(member.Value, ref Kid);
            case "use": return Text(member.Value, ref Use);
            case "alg": return Text(member.Value, ref Alg);
            case "key_ops": return Texts(member.Value, distinct: true, maxCount: 16, ref KeyOps);
            case "x5c": return Texts(member.Value, distinct: false, JoseLimits.MaxCertificatesInChain, ref X5c);
            case "k": HasPrivate = true; return Text(member.Value, ref K);
            case "d": HasPrivate = true; return Text(member.Value, ref D);
            case "p": HasPrivate = true; return Text(member.Value, ref P);
            case "q": HasPrivate = true; return Text(member.Value, ref Q);
            case "dp": HasPrivate = true; return Text(member.Value, ref Dp);
            case "dq": HasPrivate = true; return Text(member.Value, ref Dq);
            case "qi": HasPrivate = true; return Text(member.Value, ref Qi);
            case "oth": HasPrivate = true; return JoseError.None;
            default: return JoseError.None;
        }
    }

    private static JoseError Text(JsonElement value, ref string? slot)
    {
        if (slot is not null)
        {
            return JoseError.DuplicateMember;
        }

        return StrictJson.TryGetText(value, out slot) ? JoseError.None : JoseError.BadKey;
    }

    private static JoseError Texts(JsonElement value, bool distinct, int maxCount, ref IReadOnlyList<string>? slot)
    {
        if (slot is not null)
        {
            return JoseError.DuplicateMember;
        }

        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > maxCount)
        {
            return JoseError.BadKey;
        }

        var texts = new List<string>(value.GetArrayLength());
        foreach (JsonElement entry in value.EnumerateArray())
        {
            if (!StrictJson.TryGetText(entry, out string? text) || (distinct && texts.Contains(text)))
            {
                return JoseError.BadKey;
            }

            texts.Add(text);
        }

        slot = texts.AsReadOnly();
        return JoseError.None;
    }
}
