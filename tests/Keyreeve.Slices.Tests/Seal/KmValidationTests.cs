using System.Globalization;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

/// <summary>SKmsUri, Date/Time and ownership (S27), and that a refusal tells nothing about what exists.</summary>
public sealed class KmValidationTests(KmDoor door) : IClassFixture<KmDoor>
{
    [Theory]
    [InlineData("https://other.example:PORT/seal/km")]
    [InlineData("https://127.0.0.1:PORT/seal/km")]
    [InlineData("https://localhost/seal/km")]
    [InlineData("https://localhost:1/seal/km")]
    [InlineData("http://localhost:PORT/seal/km")]
    [InlineData("coaps://localhost:PORT/seal/km")]
    [InlineData("https://localhost:PORT")]
    [InlineData("https://localhost:PORT/")]
    [InlineData("https://localhost:PORT/seal/km/")]
    [InlineData("https://localhost:PORT/seal/KM")]
    [InlineData("https://localhost:PORT/seal/km/v1/requests")]
    [InlineData("https://localhost:PORT//seal/km")]
    [InlineData("https://localhost:PORT/seal%2Fkm")]
    [InlineData("https://localhost:PORT/seal/km?x=1")]
    [InlineData("https://localhost:PORT/seal/km?")]
    [InlineData("https://localhost:PORT/seal/km#x")]
    [InlineData("https://localhost:PORT/seal/km#")]
    [InlineData("https://user@localhost:PORT/seal/km")]
    [InlineData("https://@localhost:PORT/seal/km")]
    [InlineData("https://localhost.:PORT/seal/km")]
    [InlineData("https:\\\\localhost:PORT\\seal\\km")]
    [InlineData("https://localhost:PORT/seal\\km")]
    [InlineData(" https://localhost:PORT/seal/km")]
    [InlineData("https://localhost:PORT/seal/km ")]
    [InlineData("//localhost:PORT/seal/km")]
    [InlineData("/seal/km")]
    [InlineData("localhost")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task Another_SKmsUri_is_not_validated(string uri)
    {
        var request = door.Request();
        request["sKmsUri"] = OnPort(uri);
        var answer = (await door.AskAsync(request, door.AliceToken)).Refused("04", 403);
        Assert.Equal("WrongSKmsUri", door.Log.LastRefusal);
        Assert.Equal(door.SKmsUri, (string?)answer.Json["sKmsUri"]);
    }

    [Theory]
    [InlineData("HTTPS://localhost:PORT/seal/km")]
    [InlineData("https://LocalHost:PORT/seal/km")]
    [InlineData("https://localhost:PORT/./seal/km")]
    [InlineData("https://localhost:PORT/x/../seal/km")]
    [InlineData("https://localhost:PORT/%73eal/%6Bm")]
    [Proves("TS 33.434", "5.3.2")]
    public async Task An_equivalent_spelling_of_our_SKmsUri_is_accepted(string uri)
    {
        var request = door.Request();
        request["sKmsUri"] = OnPort(uri);
        (await door.AskAsync(request, door.AliceToken)).Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
    }

    [Theory]
    [InlineData(-5, true)]
    [InlineData(5, true)]
    [InlineData(0, true)]
    [InlineData(-6, false)]
    [InlineData(6, false)]
    [InlineData(-86400, false)]
    [InlineData(86400, false)]
    [Proves("TS 33.434", "5.3.2")]
    public async Task The_window_is_five_seconds_to_either_side(int off, bool accepted)
    {
        var request = door.Request();
        request["dateTime"] = door.Now + off;
        var answer = await door.AskAsync(request, door.AliceToken);
        if (accepted)
        {
            answer.Granted(door.PayloadOf(KmDoor.Pump, "userId", KmDoor.Alice));
            return;
        }
        answer.Refused("04", 403);
        Assert.Equal("OutsideTimeWindow", door.Log.LastRefusal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(long.MaxValue)]
    [Proves("TS 33.434", "5.3.2")]
    public async Task The_ends_of_time_are_outside_the_window(long dateTime)
    {
        var request = door.Request();
        request["dateTime"] = dateTime;
        (await door.AskAsync(request, door.AliceToken)).Refused("04", 403);
        Assert.Equal("OutsideTimeWindow", door.Log.LastRefusal);
    }

    [Theory]
    [InlineData(KmDoor.Pump, "userId", KmDoor.Bob)]
    [InlineData(KmDoor.Pump, "deviceId", "ue-bob-1")]
    [InlineData(KmDoor.Pump, "clientId", "openid-client")]
    [InlineData(KmDoor.Pump, "clientId", "val-server")]
    public async Task A_record_of_somebody_else_is_not_validated(string service, string member, string identity)
    {
        (await door.AskAsync(door.Request(service, member, identity), door.AliceToken)).Refused("04", 403);
        Assert.Equal("NotOwner", door.Log.LastRefusal);
    }

    [Fact]
    public async Task A_service_the_user_lacks_is_not_validated_not_even_for_its_own_record()
    {
        foreach (var (member, identity) in new (string?, string?)[] { (null, null), ("userId", KmDoor.Bob), ("deviceId", "ue-bob-1"), ("clientId", "seal-client") })
        {
            (await door.AskAsync(door.Request(KmDoor.Fleet, member, identity), door.BobToken)).Refused("04", 403);
            Assert.Equal("NotOwner", door.Log.LastRefusal);
        }
    }

    [Fact]
    public async Task A_VAL_server_opens_nothing_of_a_service_it_does_not_own()
    {
        (await door.AskAsync(door.Request(KmDoor.Fleet), door.ValServerToken)).Refused("04", 403);
        (await door.AskAsync(door.Request(KmDoor.Fleet, "clientId", "val-server"), door.ValServerToken)).Refused("04", 403);
        (await door.AskAsync(door.Request("no-such-service", null), door.ValServerToken)).Refused("04", 403);
    }

    [Fact]
    public async Task A_foreign_record_and_one_that_does_not_exist_get_the_same_answer()
    {
        // Each pair: what exists and is not the caller's, and what does not exist.
        await SameAsync(door.AliceToken, (KmDoor.Pump, "userId", KmDoor.Bob), (KmDoor.Pump, "userId", "sip:nobody@val.example"));
        await SameAsync(door.BobToken, (KmDoor.Pump, "deviceId", "ue-alice-1"), (KmDoor.Pump, "deviceId", "ue-nobody-1"));
        await SameAsync(door.BobToken, (KmDoor.Fleet, "userId", KmDoor.Alice), (KmDoor.Fleet, "userId", "sip:nobody@val.example"));
        await SameAsync(door.BobToken, (KmDoor.Fleet, "userId", KmDoor.Bob), ("no-such-service", "userId", KmDoor.Bob));
        await SameAsync(door.ValServerToken, (KmDoor.Fleet, "userId", KmDoor.Alice), (KmDoor.Fleet, "userId", "sip:nobody@val.example"));
        await SameAsync(door.ValServerToken, (KmDoor.Fleet, null, null), ("no-such-service", null, null));
        await SameAsync(token: null, (KmDoor.Pump, "userId", KmDoor.Bob), (KmDoor.Pump, "userId", "sip:nobody@val.example"));
    }

    private async Task SameAsync(string? token, (string Service, string? Member, string? Identity) exists, (string Service, string? Member, string? Identity) missing)
    {
        var one = await door.AskAsync(door.Request(exists.Service, exists.Member, exists.Identity), token);
        var other = await door.AskAsync(door.Request(missing.Service, missing.Member, missing.Identity), token);
        Assert.Equal(WithoutEcho(one), WithoutEcho(other));
        Assert.Equal((one.Status, one.Challenge, one.MediaType), (other.Status, other.Challenge, other.MediaType));
        Assert.NotEqual(404, (int)one.Status);
    }

    private static string WithoutEcho(KmAnswer answer)
    {
        var json = answer.Json;
        foreach (var member in (string[])["serviceId", "clientId", "deviceId", "userId", "dateTime"])
            json.Remove(member);
        Assert.True(json.ContainsKey("errorCode"));
        return json.ToJsonString();
    }

    private string OnPort(string uri) => uri.Replace("PORT", new Uri(door.SKmsUri).Port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
}
