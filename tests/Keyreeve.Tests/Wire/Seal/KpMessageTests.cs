using System.Buffers;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Tests.Wire.Seal;

/// <summary>SEAL KP messages, documents with key material and lines of an import: what is taken, and what is not.</summary>
public sealed class KpMessageTests
{
    private const string Head = "\"version\":\"1.0.0\",\"sKmsUri\":\"https://skm.example\",\"serviceId\":\"s\",\"userId\":\"u\",\"dateTime\":1";

    private static readonly Gen<string> Text =
        Gen.Elements("s", "u:1", "Ä", "\U0001F511", "\"", "\\", "a b", "</script>", "+").NonEmptyListOf().Select(parts => string.Concat(parts.Take(20)));

    private static readonly Gen<KmIdentity> Identity = Gen.OneOf(
        Gen.Constant(KmIdentity.ServiceOnly),
        Gen.Elements(KmIdentityKind.Client, KmIdentityKind.Device, KmIdentityKind.User).SelectMany(kind => Text.Select(text => new KmIdentity(kind, text))));

    private static readonly Gen<long> Seconds = Gen.Choose(1, int.MaxValue).Select(n => n * 1000L % KeyMaterial.MaxTime);

    [Fact]
    [Proves("TS 33.434", "5.8")]
    public void A_request_is_read_as_it_was_written()
    {
        var asked = Text.SelectMany(service => Identity.SelectMany(identity => Seconds.Select(at =>
        {
            Assert.True(KmRequest.TryCreate("https://skm.example", service, identity, at, "r", out var request, out _));
            return request;
        })));
        var requests = asked.SelectMany(a => Gen.Elements(Enum.GetValues<KpOperation>()).SelectMany(operation => Text.SelectMany(payload => Seconds.SelectMany(from => Gen.Choose(0, 2).Select(times =>
        {
            var material = operation == KpOperation.Set ? new KeyMaterial(Encoding.UTF8.GetBytes(payload + "\n\t"), times > 0 ? from : null, times > 1 ? from + 1 : 0) : null;
            Assert.True(KpRequest.TryCreate(a, operation, material, out var request, out var error), error?.Reason);
            return request;
        })))));
        Prop.ForAll(requests.ToArbitrary(), request =>
        {
            Assert.True(KpRequest.TryRead(Written(request.Write), out var read, out var error), error?.Reason);
            Assert.Equal((request.Asked, request.Operation, request.Material?.ActivatesAt, request.Material?.ExpiresAt), (read.Asked, read.Operation, read.Material?.ActivatesAt, read.Material?.ExpiresAt));
            Assert.Equal(request.Material?.Payload, read.Material?.Payload);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    [Proves("TS 33.434", "5.8")]
    public void A_response_is_read_as_it_was_written()
    {
        var responses = Text.SelectMany(service => Identity.SelectMany(identity => Seconds.SelectMany(at => Gen.Choose(0, 8).Select(n => new KpResponse
        {
            UserUri = n % 2 == 0 ? "https://issuer.example/clients/v" : null,
            SKmsUri = "https://skm.example",
            ServiceId = service,
            SKmsId = "skm-1",
            Identity = identity,
            DateTime = at,
            Result = n < 5 ? (KpResult)n : null,
            ErrorCode = n < 5 ? null : (KmErrorCode)(n - 4),
        }))));
        Prop.ForAll(responses.ToArbitrary(), response =>
        {
            Assert.True(KpResponse.TryRead(Written(response.Write), out var read, out var error), error?.Reason);
            Assert.Equal(response, read);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("\"payload\":\"p\"", null)]
    [InlineData("\"operation\":\"set\",\"payload\":\"p\"", null)]
    [InlineData("\"operation\":\"remove\"", null)]
    [InlineData("\"operation\":\"recover\"", null)]
    [InlineData("\"payload\":\"p\",\"activatesAt\":5,\"expiresAt\":6", null)]
    [InlineData("\"payload\":\"line\\nline\\u0000\"", null)]
    [InlineData("\"x\":1,\"payload\":\"p\"", "x")]
    [InlineData("\"expireAt\":6,\"payload\":\"p\"", "expireAt")]
    [InlineData("\"operation\":\"set\"", "payload")]
    [InlineData("\"payload\":\"\"", "payload")]
    [InlineData("\"payload\":null", "payload")]
    [InlineData("\"payload\":1", "payload")]
    [InlineData("\"payload\":[\"p\"]", "payload")]
    [InlineData("\"operation\":\"Set\",\"payload\":\"p\"", "operation")]
    [InlineData("\"operation\":null,\"payload\":\"p\"", "operation")]
    [InlineData("\"operation\":\"delete\"", "operation")]
    [InlineData("\"operation\":\"remove\",\"payload\":\"p\"", "payload")]
    [InlineData("\"operation\":\"recover\",\"expiresAt\":9", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"expiresAt\":0", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"expiresAt\":-1", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"expiresAt\":1.0", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"expiresAt\":1e3", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"expiresAt\":\"1\"", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"expiresAt\":null", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"expiresAt\":253402300800", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"activatesAt\":6,\"expiresAt\":6", "expiresAt")]
    [InlineData("\"payload\":\"p\",\"clientId\":\"c\"", "userId")]
    [Proves("TS 33.434", "5.8")]
    public void A_request_is_strict(string members, string? wrong)
    {
        Assert.Equal(wrong is null, KpRequest.TryRead(Encoding.UTF8.GetBytes("{" + Head + "," + members + "}"), out _, out var error));
        Assert.Equal(wrong, error?.Param);
    }

    [Theory]
    [InlineData("{" + Head + ",\"payload\":\"p\",\"payload\":\"p\"}")]
    [InlineData("{" + Head + ",\"payload\":\"\\ud800\"}")]
    [InlineData("[]")]
    [InlineData("")]
    public void What_is_no_object_of_its_own_is_refused_as_a_whole(string json)
    {
        Assert.False(KpRequest.TryRead(Encoding.UTF8.GetBytes(json), out _, out var error));
        Assert.Null(error.Param);
    }

    [Theory]
    [InlineData(KeyMaterial.MaxPayload, true)]
    [InlineData(KeyMaterial.MaxPayload + 1, false)]
    public void A_payload_has_a_limit_in_octets_escapes_undone(int octets, bool taken)
    {
        foreach (var text in new[] { new string('p', octets), string.Concat(Enumerable.Repeat("\\n", octets)), string.Concat(Enumerable.Repeat("\\u0070", octets)), new string('ä', octets / 2) + new string('p', octets % 2) })
        {
            Assert.Equal(taken, KpRequest.TryRead(Encoding.UTF8.GetBytes($"{{{Head},\"payload\":\"{text}\"}}"), out var request, out _));
            Assert.Equal(taken, KeyRecordLine.TryRead(Encoding.UTF8.GetBytes($"{{\"serviceId\":\"s\",\"payload\":\"{text}\"}}"), out _, out _));
            if (taken)
                Assert.Equal(octets, request!.Material!.Payload.Length);
        }
    }

    [Theory]
    [InlineData("{\"payload\":\"p\"}", null)]
    [InlineData("{\"payload\":\"p\",\"activatesAt\":null,\"expiresAt\":null}", null)]
    [InlineData("{\"payload\":\"p\",\"activatesAt\":\"2026-12-01T00:00:00Z\",\"expiresAt\":\"2027-12-01T00:00:00Z\"}", null)]
    [InlineData("{\"payload\":\"p\",\"expiresAt\":\"2027-12-01T00:00:00+00:00\"}", "expiresAt")]
    [InlineData("{\"payload\":\"p\",\"expiresAt\":\"2027-13-01T00:00:00Z\"}", "expiresAt")]
    [InlineData("{\"payload\":\"p\",\"expiresAt\":\"1969-12-01T00:00:00Z\"}", "expiresAt")]
    [InlineData("{\"payload\":\"p\",\"expiresAt\":1790000000}", "expiresAt")]
    [InlineData("{\"payload\":\"p\",\"activatesAt\":\"2027-12-01T00:00:00Z\",\"expiresAt\":\"2026-12-01T00:00:00Z\"}", "expiresAt")]
    [InlineData("{\"payload\":\"p\",\"serviceId\":\"s\"}", "serviceId")]
    [InlineData("{\"activatesAt\":\"2026-12-01T00:00:00Z\"}", "payload")]
    public void A_document_with_key_material_is_strict(string json, string? wrong)
    {
        Assert.Equal(wrong is null, KeyMaterial.TryRead(Encoding.UTF8.GetBytes(json), out _, out var error));
        Assert.Equal(wrong, error?.Param);
    }

    [Theory]
    [InlineData("{\"serviceId\":\"s\",\"payload\":\"p\"}", KmIdentityKind.Service, null)]
    [InlineData("{\"serviceId\":\"s\",\"deviceId\":\"d\",\"payload\":\"p\",\"expiresAt\":\"2027-12-01T00:00:00Z\"}", KmIdentityKind.Device, null)]
    [InlineData("{\"payload\":\"p\"}", null, "serviceId")]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"clientId\":\"c\",\"payload\":\"p\"}", null, "userId")]
    [InlineData("{\"serviceId\":\"s\",\"user\":\"u\",\"payload\":\"p\"}", null, "user")]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"\",\"payload\":\"p\"}", null, "userId")]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"a\\nb\",\"payload\":\"p\"}", null, "userId")]
    public void A_line_of_an_import_is_strict(string json, KmIdentityKind? kind, string? wrong)
    {
        Assert.Equal(wrong is null, KeyRecordLine.TryRead(Encoding.UTF8.GetBytes(json), out var line, out var error));
        Assert.Equal((kind, wrong), (line?.Identity.Kind, error?.Param));
    }

    [Theory]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\"}", true)]
    [InlineData(" \t{ \"payload\" : \"p\" , \"userId\" : \"u\", \"serviceId\" : \"s\" }\r ", true)]
    [InlineData("{\"service\\u0049d\":\"\\u0073\",\"userId\":\"\\u0075\",\"payload\":\"\\u0070\"}", true)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\",\"activatesAt\":null,\"expiresAt\":null}", true)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\"} {}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\",}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\"", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\"/**/}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\",\"payload\":\"q\"}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\",\"user\\u0049d\":\"v\"}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"userId\":\"u\",\"payload\":\"p\"}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":null,\"payload\":\"p\"}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"\\ud800\",\"payload\":\"p\"}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"\\udc00\"}", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":{\"serviceId\":\"s\"}}", false)]
    [InlineData("[{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\"}]", false)]
    [InlineData("{\"serviceId\":\"s\",\"userId\":\"u\",\"payload\":\"p\",\"expiresAt\":\"2026-12-01T00:00:00Z\",\"activatesAt\":\"2026-12-01T00:00:00Z\"}", false)]
    public void A_line_is_one_object_however_it_is_written(string json, bool taken)
    {
        Assert.Equal(taken, KeyRecordLine.TryRead(Encoding.UTF8.GetBytes(json), out var line, out var error));
        Assert.Equal(taken, error is null);
        if (taken)
            Assert.Equal(("s", new KmIdentity(KmIdentityKind.User, "u"), "p"), (line!.ServiceId, line.Identity, Encoding.UTF8.GetString(line.Material.Payload)));
    }

    [Fact]
    public void A_line_that_is_taken_says_what_a_reader_of_documents_reads()
    {
        const string whole = "{\"serviceId\":\"s\\u00e4\",\"deviceId\":\"d\",\"payload\":\"p\\n\",\"activatesAt\":\"2026-12-01T00:00:00Z\",\"expiresAt\":null}";
        var spoilt = Gen.Choose(0, whole.Length - 1).SelectMany(at => Gen.Elements("\\ud800", "\0", "\"", "}", "9", "", "e", "\u00e9", "\\", ",", " ", "\"userId\":\"u\",").SelectMany(what => Gen.Elements(0, 1).Select(cut => whole[..at] + what + whole[(at + cut)..])));
        Prop.ForAll(spoilt.ToArbitrary(), text =>
        {
            var octets = Encoding.UTF8.GetBytes(text);
            if (!KeyRecordLine.TryRead(octets, out var line, out _))
                return true;
            using var document = JsonDocument.Parse(octets, new() { AllowDuplicateProperties = false });
            var members = document.RootElement.EnumerateObject().ToDictionary(m => m.Name, m => m.Value.GetString());
            string?[] identities = [members.GetValueOrDefault("clientId"), members.GetValueOrDefault("deviceId"), members.GetValueOrDefault("userId")];
            return members["serviceId"] == line.ServiceId && members["payload"] == Encoding.UTF8.GetString(line.Material.Payload)
                && (identities.SingleOrDefault(i => i is not null) ?? "") == line.Identity.Value
                && members.GetValueOrDefault("activatesAt") is null == line.Material.ActivatesAt is null
                && members.GetValueOrDefault("expiresAt") is null == (line.Material.ExpiresAt == 0);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void No_reader_throws_whatever_comes()
    {
        var whole = "{" + Head + ",\"operation\":\"set\",\"payload\":\"p\\u00e4\",\"activatesAt\":5,\"result\":\"added\"}";
        var spoilt = Gen.Choose(0, whole.Length - 1).SelectMany(at => Gen.Elements("\\ud800", "\0", "\"", "}", "9", "", "e", "é").Select(what => whole[..at] + what + whole[(at + 1)..]));
        Prop.ForAll(spoilt.ToArbitrary(), text => ReadAll(Encoding.UTF8.GetBytes(text))).QuickCheckThrowOnFailure();
        Prop.ForAll((byte[] octets) => ReadAll(octets)).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("\"result\":\"added\",\"errorCode\":\"01\"", "result")]
    [InlineData("\"x\":1", "result")]
    [InlineData("\"result\":\"Added\"", "result")]
    [InlineData("\"result\":null", "result")]
    [InlineData("\"errorCode\":\"05\"", "errorCode")]
    [InlineData("\"result\":\"added\",\"clientId\":\"c\",\"userId\":\"u\"", "userId")]
    [Proves("TS 33.434", "5.8")]
    public void A_response_that_contradicts_itself_is_refused(string members, string param)
    {
        Assert.False(KpResponse.TryRead(Encoding.UTF8.GetBytes("{\"sKmsUri\":\"https://skm.example\",\"serviceId\":\"s\",\"dateTime\":1," + members + "}"), out _, out var error));
        Assert.Equal(param, error.Param);
    }

    [Fact]
    public void Nothing_that_holds_a_payload_prints_it()
    {
        Assert.True(KpRequest.TryRead(Encoding.UTF8.GetBytes("{" + Head + ",\"payload\":\"confidential\"}"), out var request, out _));
        Assert.DoesNotContain("confidential", request + " " + request.Material, StringComparison.Ordinal);
        request.Material!.Clear();
        Assert.All(request.Material.Payload, octet => Assert.Equal(0, octet));
    }

    private static void ReadAll(byte[] octets)
    {
        KpRequest.TryRead(octets, out _, out _);
        KpResponse.TryRead(octets, out _, out _);
        KeyMaterial.TryRead(octets, out _, out _);
        KeyRecordLine.TryRead(octets, out _, out _);
    }

    private static byte[] Written(Action<IBufferWriter<byte>> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        write(buffer);
        return buffer.WrittenSpan.ToArray();
    }
}
