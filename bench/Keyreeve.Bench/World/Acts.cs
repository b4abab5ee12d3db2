using System.Globalization;
using System.Text;
using Keyreeve.Bench.Load;

namespace Keyreeve.Bench.World;

/// <summary>
/// What is asked, row by row. With another path the same questions go to the limit, whose answer holds the same words. Numbers are
/// drawn anew for each: every client, user, session, family and key record has its turn.
/// </summary>
internal sealed class Acts(BenchWorld world)
{
    private static long s_requestIds;

    public Act ClientCredentials(string path) => async (connection, visitor) =>
        Demand(await connection.AskAsync(Request.Form(path, world.Basic(BenchWorld.ClientId(visitor.Draw(world.Size)), BenchWorld.MachineClient),
            "grant_type=client_credentials&scope=val%3Afleet-tracking")), 200, "\"access_token\"");

    public Act Introspection(string path) => async (connection, visitor) =>
    {
        var authorization = world.Basic(BenchWorld.ClientId(visitor.Draw(world.Size)), BenchWorld.MachineClient);
        Demand(await connection.AskAsync(Request.Form(path, authorization, "token=" + world.Tokens[visitor.Draw(world.Tokens.Count)])), 200, "\"active\":true");
    };

    public Act KeyRequest(string path, string expected) => async (connection, visitor) =>
    {
        var body = string.Create(CultureInfo.InvariantCulture, $$"""
            {"version":"1.0.0","sKmsUri":"{{world.SKmsUri}}","serviceId":"{{BenchWorld.ServiceId}}","userId":"{{BenchWorld.ValUserId(visitor.Draw(world.Size))}}","dateTime":{{TimeProvider.System.GetUtcNow().ToUnixTimeSeconds()}},"requestId":"bench-{{Interlocked.Increment(ref s_requestIds)}}"}
            """);
        Demand(await connection.AskAsync(Request.Post(path, "application/json", "Bearer " + world.KeyToken, body)), 200, expected);
    };

    /// <summary>Two requests: the authorization request of a user who is logged in and has consented, then the code for tokens.</summary>
    public Act CodeFlow()
    {
        var parameters = new CodeFlow("/authorize", "/token", BenchWorld.CodeClient, world.Basic(BenchWorld.CodeClient, BenchWorld.CodeClient), BenchWorld.Callback, BenchWorld.CodeScope);
        return (connection, visitor) => parameters.RunAsync(connection, BenchWorld.SessionCookie(visitor.Draw(world.Size)));
    }

    public Act Refresh()
    {
        var authorization = world.Basic(BenchWorld.CodeClient, BenchWorld.CodeClient);
        return async (connection, visitor) =>
        {
            var i = visitor.Draw(world.Size);
            var answer = await connection.AskAsync(Request.Form("/token", authorization, "grant_type=refresh_token&refresh_token=" + world.RefreshToken(i)));
            Demand(answer, 200, "\"access_token\"");
            world.Refreshed[i] = answer.Member("refresh_token");
        };
    }

    internal static void Demand(Answer answer, int status, string expected)
    {
        if (answer.Status != status || answer.Body.Span.IndexOf(Encoding.ASCII.GetBytes(expected)) < 0)
            throw new BenchException($"expected {status} with {expected}, not {answer}");
    }
}
