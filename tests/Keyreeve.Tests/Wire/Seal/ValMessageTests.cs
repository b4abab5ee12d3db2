using System.Buffers;
using System.Text;
using System.Text.Json;
using Keyreeve.Testing;
using Keyreeve.Wire.OAuth;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Tests.Wire.Seal;

/// <summary>The messages of TS 29.549: read strictly, written as they are read, and never an exception.</summary>
public sealed class ValMessageTests
{
    private const string Whole = """{"valServerId":"v","valSvcConf":[{"valServiceId":"s","idList":[{"valUserId":"a"},{"valUeId":"a"}]},{"valServiceId":"t","idList":[{"valUserId":"\u00e9"}]}],"suppFeat":"0"}""";

    [Theory]
    [InlineData("0", "0", "0")]
    [InlineData("0", "FFFF", "0")]
    [InlineData("", "ff", "0")]
    [InlineData("5", "7", "5")]
    [InlineData("A5", "5", "5")]
    [InlineData("A5", "ffA0", "a0")]
    [InlineData("f0", "0f", "0")]
    [InlineData("100", "fff", "100")]
    [Proves("TS 29.571", "5.2.2")]
    public void Features_in_common_are_those_that_both_have(string ours, string theirs, string common)
    {
        Assert.Equal(common, SupportedFeatures.Common(ours, theirs));
        Assert.Equal(common, SupportedFeatures.Common(theirs, ours));
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("0aF", true)]
    [InlineData("0x1", false)]
    [InlineData("g", false)]
    [InlineData("\u0661", false)]
    [Proves("TS 29.571", "5.2.2")]
    public void Features_are_hexadecimal_digits_of_ASCII(string text, bool valid) => Assert.Equal(valid, SupportedFeatures.IsValid(text));

    [Fact]
    [Proves("TS 29.549", "SS_IdmParameterProvisioning")]
    public void A_configuration_is_written_as_it_was_read()
    {
        Assert.True(ValServicesConfig.TryRead(Encoding.UTF8.GetBytes(Whole), out var config, out _));
        Assert.Equal(JsonDocument.Parse(Whole).RootElement.ToString().Replace("\\u00e9", "\\u00E9", StringComparison.Ordinal), Written(config));
    }

    [Theory]
    [InlineData("{}", Whole)]
    [InlineData("""{"suppFeat":null}""", """{"valServerId":"v","valSvcConf":[{"valServiceId":"s","idList":[{"valUserId":"a"},{"valUeId":"a"}]},{"valServiceId":"t","idList":[{"valUserId":"\u00e9"}]}]}""")]
    [InlineData("""{"valServerId":"v","unknown":{"a":null}}""", Whole)]
    [InlineData("""{"valSvcConf":[{"valServiceId":"x","idList":[{"valUeId":"u"}]}]}""", """{"valServerId":"v","valSvcConf":[{"valServiceId":"x","idList":[{"valUeId":"u"}]}],"suppFeat":"0"}""")]
    [Proves("RFC 7396", "2")]
    public void A_patch_replaces_whole_members(string patch, string merged)
    {
        Assert.True(ValServicesConfig.TryRead(Encoding.UTF8.GetBytes(Whole), out var config, out _));
        Assert.True(config.TryMerge(Encoding.UTF8.GetBytes(patch), out var after, out var error), error?.Reason);
        Assert.Equal(merged.Replace("\\u00e9", "\\u00E9", StringComparison.Ordinal), Written(after));
    }

    [Fact]
    public void Whatever_the_octets_are_reading_ends_with_an_answer()
    {
        var octets = Encoding.UTF8.GetBytes(Whole);
        for (var i = 0; i < octets.Length; i++)
            foreach (var value in (byte[])[0, (byte)'"', (byte)'{', (byte)']', (byte)'7', (byte)'\\', 0x80, 0xff])
            {
                var other = (byte[])octets.Clone();
                other[i] = value;
                AssertDecided(other);
                AssertDecided(octets[..i]);
            }

        static void AssertDecided(byte[] json)
        {
            Assert.NotEqual(ValServicesConfig.TryRead(json, out var config, out var error), error is not null);
            Assert.Equal(config is null, error is not null);
            Assert.True(ValServicesConfig.TryRead(Encoding.UTF8.GetBytes(Whole), out var whole, out _));
            Assert.NotEqual(whole.TryMerge(json, out _, out error), error is not null);
        }
    }

    [Theory]
    [InlineData("val-tgt-ue=%7B%22valUserId%22:%22a%22,%22more%22:1%7D", KmIdentityKind.User)]
    [InlineData("valUserId=a", KmIdentityKind.User)]
    [InlineData("valUeId=a&valUserId=", KmIdentityKind.Device)]
    [InlineData("val-tgt-ue=%7B%22valUeId%22:%22%5Cu0061%22%7D", KmIdentityKind.Device)]
    [Proves("TS 29.549", "SS_UserProfileRetrieval")]
    public void A_target_is_read_in_both_ways(string query, KmIdentityKind kind)
    {
        Assert.True(ParameterList.TryRead(Encoding.ASCII.GetBytes(query), out var list, out _));
        Assert.True(ValTargetUe.TryReadQuery(list, out var target, out var error), error?.Reason);
        Assert.Equal(new KmIdentity(kind, "a"), target);
    }

    [Fact]
    public void No_target_is_no_error() => Assert.True(ValTargetUe.TryReadQuery(ParameterList.Empty, out var target, out _) && target is null);

    private static string Written(ValServicesConfig config)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            config.Write(json);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
