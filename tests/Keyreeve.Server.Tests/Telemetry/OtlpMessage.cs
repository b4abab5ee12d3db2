using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Keyreeve.Server.Tests.Telemetry;

/// <summary>A protobuf message as it is on the wire: fields by number, nothing known of their meaning.</summary>
public sealed class OtlpMessage
{
    private readonly List<(int Field, ulong Number, ReadOnlyMemory<byte> Octets)> _fields = [];

    public OtlpMessage(ReadOnlyMemory<byte> octets)
    {
        while (!octets.IsEmpty)
        {
            var key = Varint(ref octets);
            var (field, wire) = ((int)(key >> 3), (int)(key & 7));
            switch (wire)
            {
                case 0:
                    _fields.Add((field, Varint(ref octets), default));
                    break;
                case 1:
                    _fields.Add((field, BinaryPrimitives.ReadUInt64LittleEndian(octets.Span), default));
                    octets = octets[8..];
                    break;
                case 2:
                    var length = (int)Varint(ref octets);
                    _fields.Add((field, 0, octets[..length]));
                    octets = octets[length..];
                    break;
                case 5:
                    _fields.Add((field, BinaryPrimitives.ReadUInt32LittleEndian(octets.Span), default));
                    octets = octets[4..];
                    break;
                default:
                    throw new InvalidDataException($"wire type {wire}");
            }
        }
    }

    public IEnumerable<OtlpMessage> Many(int field) => _fields.Where(f => f.Field == field).Select(f => new OtlpMessage(f.Octets));

    public OtlpMessage? One(int field) => Many(field).SingleOrDefault();

    public string Text(int field) => Encoding.UTF8.GetString(Octets(field).Span);

    public ReadOnlyMemory<byte> Octets(int field) => _fields.LastOrDefault(f => f.Field == field).Octets;

    public ulong? Number(int field) => _fields.Where(f => f.Field == field).Select(f => (ulong?)f.Number).LastOrDefault();

    public int Count(int field) => _fields.Count(f => f.Field == field);

    /// <summary>repeated KeyValue: key = 1, value = 2 { string = 1, bool = 2, int = 3, double = 4 }</summary>
    public Dictionary<string, string> Attributes(int field) => Many(field).ToDictionary(a => a.Text(1), a => ValueOf(a.One(2)!), StringComparer.Ordinal);

    private static string ValueOf(OtlpMessage value) => value.Count(1) > 0 ? value.Text(1)
        : value.Number(2) is { } truth ? truth == 1 ? "true" : "false"
        : value.Number(3) is { } number ? ((long)number).ToString(CultureInfo.InvariantCulture)
        : throw new InvalidDataException("an attribute of another type");

    private static ulong Varint(ref ReadOnlyMemory<byte> octets)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var octet = octets.Span[0];
            octets = octets[1..];
            value |= (ulong)(octet & 0x7F) << shift;
            if (octet < 0x80)
                return value;
        }
    }
}

/// <summary>One point of a metric: its tags, and how often or how much.</summary>
public sealed record OtlpPoint(string Meter, string Name, string Unit, Dictionary<string, string> Tags, double Value, int Exemplars);

/// <summary>A span.</summary>
public sealed record OtlpSpan(string Source, string Name, string TraceId, string SpanId, string ParentId, string TraceState, Dictionary<string, string> Tags, int EventsAndLinks);
