using System.Net;
using System.Text.Json.Nodes;
using Keyreeve.Testing;
using Microsoft.AspNetCore.Routing;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal.Contract;

/// <summary>Whether we serve what 3GPP's files declare: their operations and parameters, no more and no fewer. <see cref="SealCaller"/> holds each exchange of the other tests against them.</summary>
[Proves("TS 29.549", "SS_KeyInfoRetrieval")]
[Proves("TS 29.549", "SS_IdmParameterProvisioning")]
[Proves("TS 29.549", "SS_UserProfileRetrieval")]
public sealed class ContractTests(SealCaller caller) : IClassFixture<SealCaller>
{
    [Fact]
    public void The_operations_served_are_those_declared()
    {
        var contracts = ApiContract.All(OpenApiFiles.Require());
        var served = caller.Host.Service<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => contracts.Any(c => e.RoutePattern.RawText!.StartsWith(c.BasePath, StringComparison.Ordinal)))
            .SelectMany(e => e.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods.Select(m => $"{m} {e.RoutePattern.RawText}"));
        Assert.Equal(contracts.SelectMany(c => c.Operations).Order(StringComparer.Ordinal), served.Order(StringComparer.Ordinal));
        Assert.All(contracts, c => Assert.Equal("{apiRoot}" + c.BasePath, c.ServerUrl));
    }

    [Fact]
    public async Task The_parameters_heeded_are_those_declared()
    {
        var contracts = ApiContract.All(OpenApiFiles.Require());
        var declared = contracts.SelectMany(c => c.Operations.Select(o => (Operation: o, Parameters: c.QueryOf(o).ToList()))).Where(o => o.Parameters.Count > 0).ToDictionary(o => o.Operation, o => o.Parameters);
        Assert.Equal(["val-service-id!", "val-tgt-ue"], declared["GET " + SealCaller.KeyRecords]);
        Assert.Equal(["val-server-id", "config-ids"], declared["GET " + SealCaller.Configurations]);
        Assert.Equal(["val-service-id", "val-tgt-ue!"], declared["GET " + SealCaller.Profiles]);
        Assert.Equal(3, declared.Count);
        foreach (var (operation, parameters) in declared)
        {
            var path = operation.Split(' ')[1];
            var token = await caller.TokenAsync(path == SealCaller.KeyRecords ? "seal:key_management" : path == SealCaller.Profiles ? "seal:user_profile" : "seal:identity_provisioning");
            foreach (var parameter in parameters)
            {
                // Nonsense under the parameter's own name is told by that name: it was looked at. So is a required one that is missing.
                var name = parameter.TrimEnd('!');
                var rest = string.Concat(parameters.Where(p => p.EndsWith('!') && p != parameter).Select(p => $"&{p.TrimEnd('!')}=%7B%22valUserId%22%3A%22a%22%7D"));
                (await caller.SendAsync(HttpMethod.Get, $"{path}?{name}=,&{name}=,{rest}", token)).Refused(HttpStatusCode.BadRequest, name);
                if (parameter.EndsWith('!'))
                    (await caller.SendAsync(HttpMethod.Get, $"{path}?{rest.TrimStart('&')}", token)).Refused(HttpStatusCode.BadRequest, name);
            }
        }
    }

    [Fact]
    public void The_check_finds_what_is_wrong()
    {
        var kir = ApiContract.All(OpenApiFiles.Require())[0];
        var good = new JsonObject { ["userUri"] = "https://a", ["valService"] = "s", ["keyInfo"] = "k", ["valTgtUe"] = new JsonObject { ["valUserId"] = "u" } };
        Assert.Empty(Check(good));
        Assert.Empty(Check(good, query: "?val-service-id=s&val-tgt-ue=%7B%22valUeId%22%3A%22u%22%7D"));
        Assert.Empty(Check(good, query: "?val-service-id=s&valUeId=u"));
        Assert.NotEmpty(Check(good, query: "?valUeId=u"));
        Assert.NotEmpty(Check(good, query: "?val-service-id=s&other=u"));
        Assert.NotEmpty(Check(good, query: "?val-service-id=s&valUeId=u&valUserId=u"));
        Assert.NotEmpty(Check(good, type: "text/plain"));
        Assert.NotEmpty(Check(good, status: 403));
        Assert.NotEmpty(Check(With(g => g.Remove("keyInfo"))));
        Assert.NotEmpty(Check(With(g => g["keyInfo"] = 7)));
        Assert.NotEmpty(Check(With(g => g["valTgtUe"] = new JsonObject())));
        Assert.NotEmpty(Check(With(g => g["valTgtUe"]!["valUeId"] = "both")));
        Assert.NotEmpty(Check(With(g => g["valTgtUe"] = "text")));
        Assert.NotEmpty(kir.Check(new("POST", "/ss-kir/v1/key-records?val-service-id=s", null, null, 200, "application/json", good.ToJsonString(), Headers)));
        Assert.NotEmpty(kir.Check(new("GET", "/ss-kir/v1/key-records?val-service-id=s", null, null, 400, "application/problem+json", """{"status":"400"}""", Headers)));
        Assert.NotEmpty(kir.Check(new("GET", "/ss-kir/v1/key-records?val-service-id=s", null, null, 400, "application/problem+json", """{"invalidParams":[]}""", Headers)));

        var ipp = ApiContract.All(OpenApiFiles.Require())[1];
        var config = SealCaller.Config("a", ("s", ["u"]));
        Assert.Empty(ipp.Check(Created(config, new Dictionary<string, string> { ["Location"] = "x" })));
        Assert.NotEmpty(ipp.Check(Created(config, Headers)));
        config["suppFeat"] = "0x1";
        Assert.NotEmpty(ipp.Check(Created(config, new Dictionary<string, string> { ["Location"] = "x" })));
        config["suppFeat"] = "1";
        config["valSvcConf"]![0]!["idList"] = new JsonArray();
        Assert.NotEmpty(ipp.Check(Created(config, new Dictionary<string, string> { ["Location"] = "x" })));

        static Exchange Created(JsonObject config, IReadOnlyDictionary<string, string> headers) =>
            new("POST", "/ss-ipp/v1/configurations", "application/json", config.ToJsonString(), 201, "application/json", config.ToJsonString(), headers);
        JsonObject With(Action<JsonObject> change)
        {
            var other = good.DeepClone().AsObject();
            change(other);
            return other;
        }
        IReadOnlyList<string> Check(JsonObject answer, string query = "?val-service-id=s", string type = "application/json", int status = 200) =>
            kir.Check(new("GET", "/ss-kir/v1/key-records" + query, null, null, status, type, answer.ToJsonString(), Headers));
    }

    private static IReadOnlyDictionary<string, string> Headers { get; } = new Dictionary<string, string>();
}
