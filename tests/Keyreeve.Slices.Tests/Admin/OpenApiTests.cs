using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Keyreeve.Slices.Tests.Admin;

public sealed class OpenApiTests(AdminFixture admin) : IClassFixture<AdminFixture>
{
    [Fact]
    public async Task The_document_lists_exactly_the_routes_that_are_mapped()
    {
        var document = (await admin.GetAsync("/openapi.json")).Body;
        var described = document["paths"]!.AsObject().SelectMany(p => p.Value!.AsObject().Where(o => o.Key != "parameters").Select(o => o.Key.ToUpperInvariant() + " " + p.Key)).Order(StringComparer.Ordinal);
        var mapped = admin.Server.Server.Application.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .Where(e => e.RoutePattern.RawText!.StartsWith("/admin", StringComparison.Ordinal))
            .SelectMany(e => e.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods.Select(m => m + " " + e.RoutePattern.RawText)).Distinct().Order(StringComparer.Ordinal).ToList();
        Assert.NotEmpty(mapped);
        Assert.Equal(mapped, described);
    }

    [Fact]
    public async Task Every_reference_of_the_document_leads_somewhere()
    {
        var answer = await admin.GetAsync("/openapi.json");
        var known = answer.Body["components"]!["schemas"]!.AsObject().Select(s => "#/components/schemas/" + s.Key).ToHashSet();
        var used = System.Text.RegularExpressions.Regex.Matches(answer.Text, "\"\\$ref\":\"([^\"]*)\"").Select(m => m.Groups[1].Value).ToHashSet();
        Assert.NotEmpty(used);
        Assert.Subset(known, used);
    }
}
