using System.Diagnostics.CodeAnalysis;
using Keyreeve.Server.Admin.Services;
using Keyreeve.Wire.Seal;

namespace Keyreeve.Server.Admin.KeyRecords;

/// <summary>Lines of JSON, each a key record: the body of an import. The command line reads them in the same way before it sends any (--dry-run).</summary>
internal static class KeyRecordLines
{
    /// <summary>Lines in a body. Our choice: others that write wait for one batch at most.</summary>
    public const int MaxLines = 4000;

    /// <summary>Octets of a body: what every body here may have at most.</summary>
    public const int MaxBody = 1024 * 1024;

    /// <summary>True for a line without anything but white space.</summary>
    public static bool IsEmpty(ReadOnlySpan<byte> line) => line.Trim(" \t\r"u8).IsEmpty;

    /// <summary>Reads a line; never throws.</summary>
    public static bool TryRead(ReadOnlyMemory<byte> octets, [NotNullWhen(true)] out KeyRecordLine? line, [NotNullWhen(false)] out KmRequestError? error)
    {
        if (!KeyRecordLine.TryRead(octets, out line, out error))
            return false;
        if (ServiceJson.WhyNot(line.ServiceId) is { } why)
        {
            line.Material.Clear();
            error = new("serviceId", why);
            return false;
        }
        return true;
    }
}
