using Keyreeve.Core.Refusals;
using Keyreeve.Wire.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Keyreeve.OpenId;

/// <summary>The parameters that an authorization request really has: those sent, or those behind the reference that was sent.</summary>
/// <param name="Parameters">The parameters.</param>
/// <param name="Pushed">The pushed request they come from, or null.</param>
internal sealed record AskedRequest(ParameterList Parameters, PushedRequest? Pushed)
{
    /// <summary>
    /// "the authorization server MUST ... ignore" what stands beside client_id and request_uri: a person who carries the request through
    /// the browser changes nothing of it. A reference that is none of ours stays a parameter, and is refused as such.
    /// </summary>
    [Spec("RFC 9126", "4")]
    public static async ValueTask<Outcome<AskedRequest>> ReadAsync(HttpContext context, ParameterList sent, long arrivedAt)
    {
        if (!sent.Pairs.Any(p => p.Key == "request_uri" && p.Value.StartsWith(PushedRequests.Prefix, StringComparison.Ordinal)))
            return new AskedRequest(sent, null);
        foreach (var name in (ReadOnlySpan<string>)["client_id", "request_uri"])
            if (!sent.TrySingle(name, out _))
                return Refusal.About(RefusalCode.RepeatedParameter, name, $"{name} was sent more than once");
        sent.TrySingle("request_uri", out var reference);
        sent.TrySingle("client_id", out var clientId);
        if (clientId is null)
            return Refusal.About(RefusalCode.MissingParameter, "client_id", "client_id is missing");
        var opened = await context.RequestServices.GetRequiredService<PushedRequests>().OpenAsync(reference!, clientId, arrivedAt, context.RequestAborted);
        return opened.Succeeded(out var pushed, out var refusal) ? new AskedRequest(pushed.Parameters, pushed) : refusal;
    }

    /// <summary>Uses the request up for an answer. False when another answer was first.</summary>
    public Task<bool> AnswerAsync(HttpContext context) =>
        Pushed is null ? Task.FromResult(true) : context.RequestServices.GetRequiredService<PushedRequests>().AnswerAsync(Pushed, context.RequestAborted);
}
