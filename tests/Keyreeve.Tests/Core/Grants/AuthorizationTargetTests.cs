using System.Collections.Immutable;
using Keyreeve.Core.Grants;
using Keyreeve.Core.Identity;
using Keyreeve.Core.Refusals;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Grants;

using Client = Keyreeve.Core.Identity.Client;

[Proves("RFC 6749", "4.1.2.1")]
public sealed class AuthorizationTargetTests
{
    private const string Good = "client_id=sim-c&redirect_uri=https%3A%2F%2Fclient.example%2Fcb";

    [Fact]
    public void Client_and_registered_uri_make_a_target()
    {
        var target = Decide(Good + "&state=a%2Bb&response_mode=form_post", Samples.Client);
        Assert.Equal((Samples.Redirect, "a+b", ResponseMode.FormPost, true), (target.RedirectUri, target.State, target.Mode, target.RedirectUriSent));
        Assert.Same(Samples.Client, target.Client);
        Assert.Equal((null, ResponseMode.Query), (Decide(Good, Samples.Client).State, Decide(Good, Samples.Client).Mode));
    }

    [Theory]
    [InlineData("", RefusalCode.MissingParameter)]
    [InlineData("client_id=&redirect_uri=https://client.example/cb", RefusalCode.MissingParameter)]
    [InlineData("client_id=sim-c&" + Good, RefusalCode.RepeatedParameter)]
    [InlineData(Good + "&redirect_uri=https://client.example/cb", RefusalCode.RepeatedParameter)]
    [InlineData("client_id=sim-c", RefusalCode.MissingParameter)]
    [InlineData("client_id=sim-c&redirect_uri=https://client.example/cb/", RefusalCode.RedirectUriNotRegistered)]
    [InlineData("client_id=sim-c&redirect_uri=https://client.example/cb%23", RefusalCode.RedirectUriNotRegistered)]
    [InlineData("client_id=sim-c&redirect_uri=https://evil.example/cb", RefusalCode.RedirectUriNotRegistered)]
    public void Without_both_nothing_is_redirected(string form, RefusalCode code) => Samples.Refused(code, AuthorizationTarget.Decide(Samples.Form(form), Samples.Client));

    [Fact]
    public void An_unknown_or_disabled_client_or_one_of_another_name_is_refused()
    {
        foreach (var client in new[] { null, Samples.Client with { Disabled = true }, Samples.Client with { ClientId = "SIM-C" } })
            Samples.Refused(RefusalCode.UnknownClient, AuthorizationTarget.Decide(Samples.Form(Good), client));
        Samples.Refused(RefusalCode.UnknownClient, AuthorizationTarget.Decide(Samples.Form("client_id=" + new string('x', 5000)), null));
    }

    [Fact]
    public void The_only_registered_uri_may_be_left_out_by_plain_oauth_alone()
    {
        var target = Decide("client_id=sim-c&scope=val:a", Samples.PlainClient);
        Assert.Equal((Samples.Redirect, false), (target.RedirectUri, target.RedirectUriSent));
        foreach (var client in (Client[])[Samples.Client, Samples.PlainClient with { RedirectUris = [Samples.Redirect, "https://client.example/2"] }, Samples.PlainClient with { RedirectUris = [] }])
            Samples.Refused(RefusalCode.MissingParameter, AuthorizationTarget.Decide(Samples.Form("client_id=sim-c&scope=val:a"), client));
        Samples.Refused(RefusalCode.MissingParameter, AuthorizationTarget.Decide(Samples.Form("client_id=sim-c&scope=val:a+openid"), Samples.PlainClient));
    }

    [Fact]
    public void Any_of_several_registered_uris_and_any_loopback_port_will_do()
    {
        var client = Samples.Client with { RedirectUris = ImmutableArray.Create("com.example.app:/cb", "http://127.0.0.1/cb", Samples.Redirect) };
        Assert.Equal("http://127.0.0.1:49152/cb", Decide("client_id=sim-c&redirect_uri=http://127.0.0.1:49152/cb", client).RedirectUri);
        Assert.Equal("com.example.app:/cb", Decide("client_id=sim-c&redirect_uri=com.example.app:/cb", client).RedirectUri);
    }

    [Fact]
    public void A_state_that_may_not_be_given_back_is_not()
    {
        Assert.Equal(2048, Decide(Good + "&state=" + new string('s', 2048), Samples.Client).State!.Length);
        Assert.Null(Decide(Good + "&state=" + new string('s', 2049), Samples.Client).State);
        Assert.Null(Decide(Good + "&state=1&state=2", Samples.Client).State);
        Assert.Equal(ResponseMode.Query, Decide(Good + "&response_mode=form_post&response_mode=form_post", Samples.Client).Mode);
    }

    private static AuthorizationTarget Decide(string form, Client client) => Samples.Granted(AuthorizationTarget.Decide(Samples.Form(form), client));
}
