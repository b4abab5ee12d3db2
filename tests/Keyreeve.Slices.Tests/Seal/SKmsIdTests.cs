using System.Text;
using Keyreeve.Server.Settings;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>The ID of the SKM-S is 1 to 255 octets, however few characters these are: what is longer could be read by no SKM-C.</summary>
[Proves("TS 33.434", "5.3.3")]
public sealed class SKmsIdTests
{
    /// <summary>255 octets in 128 characters.</summary>
    private static readonly string Longest = new string('é', 127) + "x";

    [Fact]
    public async Task An_ID_of_255_octets_is_answered_and_can_be_read()
    {
        Assert.Equal(255, Encoding.UTF8.GetByteCount(Longest));
        await using var door = await KmDoor.OfAsync(await TestServer.StartAsync("Seal:SKmsId=" + Longest));
        var answer = await door.AskAsync(door.Request(), door.AliceToken);
        answer.Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
        Assert.True(KmResponse.TryRead(Encoding.UTF8.GetBytes(answer.Body), out var response, out var error), error?.Reason);
        Assert.Equal(Longest, response.SKmsId);
    }

    [Theory]
    [InlineData(255, 1)]
    [InlineData(127, 2)]
    [InlineData(63, 4)]
    public void An_ID_of_up_to_255_octets_is_taken(int count, int octets) => Assert.Equal(Id(count, octets), Read(Id(count, octets)).SKmsId);

    [Theory]
    [InlineData(256, 1)]
    [InlineData(128, 2)]
    [InlineData(64, 4)]
    public void An_ID_of_256_octets_stops_the_start_and_names_the_setting(int count, int octets) =>
        Assert.Contains("Seal:SKmsId", Assert.Throws<SettingsException>(() => Read(Id(count, octets))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("a\u0000b")]
    [InlineData("a\nb")]
    public void An_ID_with_control_characters_stops_the_start(string id) => Assert.Throws<SettingsException>(() => Read(id));

    private static string Id(int count, int octets) => string.Concat(Enumerable.Repeat(octets switch { 1 => "a", 2 => "é", _ => "\U0001F511" }, count));

    private static ServerSettings Read(string id) => SettingsReader.Read(null, [], [KeyValuePair.Create("Seal:SKmsId", id)]);
}
