using Keyreeve.Slices.Tests.OpenId;
using Xunit;

namespace Keyreeve.Slices.Tests.Conformance;

/// <summary>Basic OP: the modules of oidcc-basic-certification-test-plan with the response in the query.</summary>
public sealed class BasicOpTests(OpenIdServer server) : BasicOpModules(server), IClassFixture<OpenIdServer>;
