using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>The store is away, locked or stands still while the server is asked: clear refusals in bounded time, and then on as before without a restart.</summary>
public sealed class StoreAwayTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan TenSeconds = TimeSpan.FromSeconds(10);

    /// <summary>A request that waits for a store which is away must not be too old by then: it is refused for the store, or not at all.</summary>
    private static readonly string[] Wide = ["--set", "Seal:WindowSeconds=30"];

    [Fact]
    public async Task SQLite_locked_by_another_program_is_503_and_then_everything_goes_on()
    {
        await using var server = new SqliteFaultServer();
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        await server.TakeStoreAwayAsync();
        await surfaces.AllRefuseAsync(Patience);
        Assert.Equal(200, await server.HealthAsync("healthz"));
        await server.BringStoreBackAsync();
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadAuditAsync([]);
    }

    [Fact]
    public async Task PostgreSQL_that_stands_still_is_503_and_not_ready_and_then_everything_goes_on()
    {
        await using var server = await PostgresFaultServer.MakeAsync();
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        var memory = server.Process!.Memory;
        await server.Postgres.FreezeAsync();
        await surfaces.AllRefuseAsync(Patience);
        await server.NotReadyAsync();
        FaultSettings.Say($"memory {memory / 1048576} MB before, {server.Process.Memory / 1048576} MB while the database stands still");
        await server.Postgres.ThawAsync();
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadyAsync();
        await server.ReadAuditAsync([]);
    }

    [Fact]
    public async Task PostgreSQL_that_is_stopped_is_503_and_not_ready_and_after_its_start_everything_goes_on()
    {
        await using var server = await PostgresFaultServer.MakeAsync();
        await server.StartAsync(Wide);
        await using var surfaces = await Surfaces.OpenAsync(server.Folder);
        await server.Postgres.StopAsync();
        await surfaces.AllRefuseAsync(Patience);
        await server.NotReadyAsync();
        await server.Postgres.StartAsync();
        await surfaces.WorkAgainAsync(Patience);
        await server.ReadyAsync();
        await server.ReadAuditAsync([]);
    }

    /// <summary>The whole of it: ten seconds by the clock, under the requests of several clients at every surface.</summary>
    [Theory]
    [InlineData("SQLite")]
    [InlineData("PostgreSQL")]
    public async Task A_store_that_is_away_for_ten_seconds_under_load_is_clear_refusals_and_then_everybody_is_served_without_a_restart(string engine)
    {
        await using var server = await FaultServer.MakeAsync(engine);
        await server.StartAsync(Wide);
        await using var load = await SteadyLoad.StartAsync(server.Folder, clients: 4);
        await load.EverybodyIsServedAsync(Patience);
        await server.TakeStoreAwayAsync();
        var away = TimeProvider.System.GetTimestamp();
        await load.GoOnAsync(TenSeconds);
        await load.EverySurfaceRefusesAsync(Patience);
        Assert.Equal(200, await server.HealthAsync("healthz"));
        await server.NotReadyAsync();
        FaultSettings.Say($"{engine}: away for {TimeProvider.System.GetElapsedTime(away).TotalSeconds:0.0} s");
        await server.BringStoreBackAsync();
        var back = TimeProvider.System.GetTimestamp();
        await load.EverybodyIsServedAsync(Patience);
        FaultSettings.Say($"{engine}: everybody is served {TimeProvider.System.GetElapsedTime(back).TotalSeconds:0.0} s after it is back");
        await server.ReadyAsync();
        await load.EndAsync();
        await load.NothingIsLostAsync();
        await server.ReadAuditAsync([]);
    }
}
