using Keyreeve.Slices.Tests.OpenId;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

/// <summary>
/// Form Post OP: oidcc-formpost-basic-certification-test-plan is the whole basic plan with response_mode=form_post. Every response,
/// errors too, is a page that posts itself; nothing is in a query, and nothing is kept.
/// </summary>
public sealed class FormPostOpTests(OpenIdServer server) : BasicOpModules(server), IClassFixture<OpenIdServer>
{
    protected override string Mode => "form_post";
}
