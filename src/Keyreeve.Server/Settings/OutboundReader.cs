using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Keyreeve.Core.Events;
using Keyreeve.Engines.Outbound;

namespace Keyreeve.Server.Settings;

/// <summary>Reads the settings of outgoing connections and of those who are told of events.</summary>
internal static class OutboundReader
{
    private const string ReceiverPrefix = "Events:Receivers:";
    private static readonly string[] ReceiverMembers = ["Url", "Audience", "About"];

    /// <summary>True for <c>Events:Receivers:NAME:Url</c>, <c>:Audience</c> and <c>:About</c>, whose name is free.</summary>
    public static bool IsReceiver(string name) => name.StartsWith(ReceiverPrefix, StringComparison.OrdinalIgnoreCase)
        && name.Split(':') is [_, _, var receiver, var member]
        && receiver.Length is > 0 and <= 64 && receiver.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
        && ReceiverMembers.Contains(member, StringComparer.OrdinalIgnoreCase);

    /// <summary>What may be connected to.</summary>
    public static OutboundSettings Read(string? networks, string? allowHttp, string? trustAnchors) => new()
    {
        AllowedNetworks = ReadNetworks("Outbound:AllowedNetworks", networks),
        AllowHttp = allowHttp?.ToUpperInvariant() switch
        {
            null or "FALSE" => false,
            "TRUE" => true,
            _ => throw new SettingsException($"Outbound:AllowHttp is '{allowHttp}'; it must be true or false"),
        },
        TrustAnchors = trustAnchors is null ? [] : ReadAnchors("Outbound:TrustAnchors", trustAnchors),
    };

    /// <summary>Who is told, in the order of names. Their addresses are read here once, so that a typing error ends the start.</summary>
    public static IReadOnlyList<EventReceiver> ReadReceivers(IEnumerable<KeyValuePair<string, string>> values, bool allowHttp)
    {
        var receivers = new List<EventReceiver>();
        foreach (var of in values.Where(v => IsReceiver(v.Key)).GroupBy(v => v.Key.Split(':')[2], StringComparer.OrdinalIgnoreCase).OrderBy(g => g.Key, StringComparer.OrdinalIgnoreCase))
        {
            var members = of.ToDictionary(v => v.Key.Split(':')[3], v => v.Value, StringComparer.OrdinalIgnoreCase);
            if (!members.TryGetValue("Url", out var url) || url.Length == 0)
                throw new SettingsException($"{ReceiverPrefix}{of.Key}:Url is missing");
            if (!OutboundTarget.TryRead(url, allowHttp, out _, out var reason))
                throw new SettingsException($"{ReceiverPrefix}{of.Key}:Url is '{url}': {reason}");
            receivers.Add(new(of.Key, url, members.GetValueOrDefault("Audience") is { Length: > 0 } audience ? audience : url, ReadAbout(of.Key, members.GetValueOrDefault("About"))));
        }
        return receivers;
    }

    private static EventSubjects ReadAbout(string receiver, string? text)
    {
        if (string.IsNullOrEmpty(text))
            return EventSubjects.Revocations;
        var words = text.Split((char[])[' ', ','], StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 0 ? words.Select(Subject).Aggregate((all, one) => all | one) : throw Wrong();

        EventSubjects Subject(string word) => word switch
        {
            "revocations" => EventSubjects.Revocations,
            "key-failures" => EventSubjects.KeyFailures,
            _ => throw Wrong(),
        };

        SettingsException Wrong() => new($"{ReceiverPrefix}{receiver}:About is '{text}'; write revocations, key-failures, or both");
    }

    /// <summary>Networks, separated by spaces or commas.</summary>
    public static IReadOnlyList<IPNetwork> ReadNetworks(string setting, string? networks) =>
        [.. (networks ?? "").Split((char[])[' ', ','], StringSplitOptions.RemoveEmptyEntries).Select(text => IPNetwork.TryParse(text, out var network)
            ? network
            : throw new SettingsException($"{setting}: '{text}' is no network; write 10.1.0.0/16 or fd12::/64, with zero bits behind the prefix"))];

    /// <summary>The certificates of a PEM file.</summary>
    public static X509Certificate2Collection ReadAnchors(string setting, string file)
    {
        var anchors = new X509Certificate2Collection();
        try
        {
            anchors.ImportFromPemFile(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new SettingsException($"{setting}: {file} cannot be read as PEM certificates");
        }
        return anchors.Count > 0 ? anchors : throw new SettingsException($"{setting}: {file} holds no certificate");
    }
}
