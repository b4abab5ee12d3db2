using Keyreeve.Bench.Load;
using Keyreeve.Bench.World;

namespace Keyreeve.Bench.Sides;

/// <summary>bench/Limit: Kestrel that signs, or answers a constant, to the very questions that the server is asked.</summary>
internal sealed class LimitSide(MeasuredProcess process, Acts questions) : Side("limit", process)
{
    public static async Task<LimitSide> StartAsync(DirectoryInfo folder, Collector collector, Acts questions)
    {
        var own = folder.CreateSubdirectory("limit").FullName;
        return new(await MeasuredProcess.StartAsync("dotnet", own, "limit.pem", Built.Dll("bench/Limit", "Keyreeve.Bench.Limit.dll"), own, collector.Address.AbsoluteUri), questions);
    }

    public override Act? ActFor(Row row) => row.Work switch
    {
        Work.ClientCredentials => questions.ClientCredentials("/sign"),
        Work.Introspection => questions.Introspection("/constant"),
        Work.KeyRequest => questions.KeyRequest("/constant", ""),
        _ => null,
    };
}
