using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Keyreeve.Core.Certificates;

/// <summary>
/// A distinguished name as what it says and not as how it is spelled: relative names in the order of the encoding, each a set of
/// attribute types (object identifiers) with values. Two are equal when these are; values are compared exactly, in whichever of
/// ASN.1's string types they are encoded.
/// </summary>
public sealed class DistinguishedName : IEquatable<DistinguishedName>
{
    /// <summary>Characters of the written form. Our choice.</summary>
    public const int MaxLength = 1024;

    /// <summary>Attributes of one name. Our choice: names have a handful.</summary>
    private const int MaxAttributes = 32;

    /// <summary>RFC 4514 section 3, and what certificates hold beside it.</summary>
    private static readonly Dictionary<string, string> Types = new[]
    {
        ("CN", "2.5.4.3"), ("L", "2.5.4.7"), ("ST", "2.5.4.8"), ("O", "2.5.4.10"), ("OU", "2.5.4.11"), ("C", "2.5.4.6"), ("STREET", "2.5.4.9"),
        ("DC", "0.9.2342.19200300.100.1.25"), ("UID", "0.9.2342.19200300.100.1.1"), ("SN", "2.5.4.4"), ("GN", "2.5.4.42"), ("givenName", "2.5.4.42"),
        ("serialNumber", "2.5.4.5"), ("title", "2.5.4.12"), ("organizationIdentifier", "2.5.4.97"), ("emailAddress", "1.2.840.113549.1.9.1"),
    }.ToDictionary(StringComparer.OrdinalIgnoreCase);

    private readonly List<List<(string Type, string Value)>> _relative;

    private DistinguishedName(List<List<(string Type, string Value)>> relative)
    {
        // "A relative name is a set": the order within it says nothing.
        foreach (var attributes in relative)
            attributes.Sort(static (a, b) => string.CompareOrdinal(a.Type, b.Type) is var t and not 0 ? t : string.CompareOrdinal(a.Value, b.Value));
        _relative = relative;
    }

    /// <summary>Reads the written form (RFC 4514 section 3; spaces around separators are let pass, as older tools write them).</summary>
    [Spec("RFC 4514", "3")]
    public static bool TryRead(string text, [NotNullWhen(true)] out DistinguishedName? name, out string reason)
    {
        name = null;
        if (text.Length is 0 or > MaxLength)
        {
            reason = $"a distinguished name has 1 to {MaxLength} characters";
            return false;
        }
        var relative = new List<List<(string, string)>> { new() };
        for (var (i, count) = (0, 1); ; i++, count++)
        {
            if (count > MaxAttributes)
            {
                reason = $"a distinguished name has at most {MaxAttributes} attributes";
                return false;
            }
            if (ReadType(text, ref i) is not { } type)
            {
                reason = "an attribute of a distinguished name is TYPE=value, with a type of RFC 4514 (CN, O, OU, C, L, ST, DC, UID ...) or an object identifier";
                return false;
            }
            if (ReadValue(text, ref i) is not { } value)
            {
                reason = "a value of a distinguished name is not empty and not in quotes, and \" + , ; < > \\ in it stand behind a backslash";
                return false;
            }
            relative[^1].Add((type, value));
            if (i == text.Length)
                break;
            if (text[i] == ',')
                relative.Add([]);
        }
        // "starting with the last element of the sequence and moving backwards toward the first" (2.1)
        relative.Reverse();
        (name, reason) = (new(relative), "");
        return true;
    }

    /// <summary>Reads the encoded form.</summary>
    /// <exception cref="CryptographicException">It is not a Name of RFC 5280.</exception>
    public static DistinguishedName Of(X500DistinguishedName encoded)
    {
        try
        {
            var relative = new List<List<(string, string)>>();
            var outer = new AsnReader(encoded.RawData, AsnEncodingRules.DER);
            var names = outer.ReadSequence();
            outer.ThrowIfNotEmpty();
            while (names.HasData)
            {
                relative.Add([]);
                var set = names.ReadSetOf(skipSortOrderValidation: true); // not every authority sorts
                while (set.HasData)
                {
                    var attribute = set.ReadSequence();
                    relative[^1].Add((attribute.ReadObjectIdentifier(), ValueOf(attribute.ReadEncodedValue())));
                }
            }
            return new(relative);
        }
        catch (AsnContentException e)
        {
            throw new CryptographicException("The name is not DER.", e);
        }
    }

    /// <inheritdoc />
    public bool Equals(DistinguishedName? other) =>
        other is not null && _relative.Count == other._relative.Count && _relative.Zip(other._relative).All(static pair => pair.First.SequenceEqual(pair.Second));

    /// <inheritdoc />
    public override bool Equals(object? obj) => Equals(obj as DistinguishedName);

    /// <inheritdoc />
    public override int GetHashCode() => _relative.Count == 0 ? 0 : _relative[^1][0].GetHashCode();

    /// <summary>The type as object identifier, with the position behind "=".</summary>
    private static string? ReadType(string text, ref int i)
    {
        var end = text.IndexOf('=', Math.Min(i, text.Length));
        if (end < 0)
            return null;
        var type = text[i..end].Trim(' ');
        i = end + 1;
        if (Types.TryGetValue(type, out var known))
            return known;
        var arcs = type.Split('.');
        return arcs.Length >= 2 && arcs.All(static a => a.Length is > 0 and <= 12 && a.All(char.IsAsciiDigit) && (a.Length == 1 || a[0] != '0')) ? type : null;
    }

    /// <summary>The value, with the position at the separator behind it or at the end.</summary>
    private static string? ReadValue(string text, ref int i)
    {
        while (i < text.Length && text[i] == ' ')
            i++;
        if (i < text.Length && text[i] == '#')
            return ReadEncoded(text, ref i);
        var octets = new List<byte>();
        var significant = 0; // spaces that nobody escaped do not end a value
        for (; i < text.Length && text[i] is not (',' or '+'); i++)
        {
            var c = text[i];
            if (c is '"' or ';' or '<' or '>' or '\0')
                return null;
            if (c == '\\')
            {
                if (i + 1 < text.Length && " \"#+,;<=>\\".Contains(text[i + 1], StringComparison.Ordinal))
                    octets.Add((byte)text[++i]);
                else if (i + 2 < text.Length && byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var octet))
                {
                    octets.Add(octet);
                    i += 2;
                }
                else
                    return null;
                significant = octets.Count;
                continue;
            }
            if (!Rune.TryGetRuneAt(text, i, out var rune))
                return null;
            octets.AddRange(Strict.GetBytes(rune.ToString()));
            i += rune.Utf16SequenceLength - 1;
            if (c != ' ')
                significant = octets.Count;
        }
        try
        {
            return significant == 0 ? null : "t" + Strict.GetString([.. octets[..significant]]);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    /// <summary>"#" and the hexadecimal octets of the encoded value (2.4).</summary>
    private static string? ReadEncoded(string text, ref int i)
    {
        var end = text.AsSpan(i).IndexOfAny(',', '+') is var found and >= 0 ? i + found : text.Length;
        var hex = text[(i + 1)..end].TrimEnd(' ');
        i = end;
        try
        {
            var octets = Convert.FromHexString(hex);
            var reader = new AsnReader(octets, AsnEncodingRules.DER);
            reader.ReadEncodedValue();
            return reader.HasData ? null : ValueOf(octets);
        }
        catch (Exception e) when (e is FormatException or AsnContentException)
        {
            return null;
        }
    }

    /// <summary>What the strings of a name say, whichever type of string they are; other types by their octets.</summary>
    private static string ValueOf(ReadOnlyMemory<byte> encoded)
    {
        var reader = new AsnReader(encoded, AsnEncodingRules.DER);
        return reader.PeekTag() is { TagClass: TagClass.Universal } tag && (UniversalTagNumber)tag.TagValue is UniversalTagNumber.UTF8String
            or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String or UniversalTagNumber.T61String or UniversalTagNumber.BMPString
            ? "t" + reader.ReadCharacterString((UniversalTagNumber)tag.TagValue)
            : "x" + Convert.ToHexString(encoded.Span);
    }

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
}
