using Xunit;

namespace Keyreeve.Server.Tests.Faults;

/// <summary>
/// Several clients that ask every surface over and over, whatever becomes of the store meanwhile. Each answer is right or a clear refusal
/// (<see cref="Surface.AskOnceAsync"/>) and comes in bounded time; the first that is not ends the load and fails the test.
/// </summary>
internal sealed class SteadyLoad : IAsyncDisposable
{
    /// <summary>No answer takes longer. Operators are promised half of it, on a machine that has time for us.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    /// <summary>Between two requests of one client at one surface: a crowd, not a benchmark.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly CancellationTokenSource _end = new();
    private readonly List<Surfaces> _clients;
    private readonly List<Lane> _lanes;
    private readonly Task _running;

    private SteadyLoad(List<Surfaces> clients)
    {
        _clients = clients;
        _lanes = [.. clients.SelectMany(c => c.All).Select(s => new Lane(s))];
        _running = FirstFailureAsync([.. _lanes.Select(l => Task.Run(() => l.RunAsync(_end.Token)))]);
    }

    /// <param name="folder">Of the server.</param>
    /// <param name="clients">How many.</param>
    /// <param name="crashes">The database will crash: <see cref="Surfaces.OpenAsync"/>.</param>
    public static async Task<SteadyLoad> StartAsync(TempFolder folder, int clients, bool crashes = false)
    {
        var opened = new List<Surfaces>();
        for (var i = 0; i < clients; i++)
            opened.Add(await Surfaces.OpenAsync(folder, revocable: 1, crashes));
        return new(opened);
    }

    /// <summary>Goes on for so long.</summary>
    public async Task GoOnAsync(TimeSpan time)
    {
        if (await Task.WhenAny(_running, Task.Delay(time, TestContext.Current.CancellationToken)) == _running)
            await _running;
    }

    /// <summary>Until each client has had a right answer from each surface to a request that it made from now on.</summary>
    public Task EverybodyIsServedAsync(TimeSpan within) => UntilAsync(lane => lane.Right, (lane, before) => lane.Right > before, "is not served", within);

    /// <summary>Until each surface that writes has refused something.</summary>
    public Task EverySurfaceRefusesAsync(TimeSpan within) =>
        UntilAsync(_ => 0, (lane, _) => !lane.Surface.Writes || _lanes.Any(l => l.Surface.Name == lane.Surface.Name && l.Refused > 0), "does not refuse", within);

    /// <summary>Ends it.</summary>
    public async Task EndAsync()
    {
        await _end.CancelAsync();
        await _running;
        FaultSettings.Say("right and refused: " + string.Join(", ", _lanes.GroupBy(l => l.Surface.Name).Select(g => $"{g.Key} {g.Sum(l => l.Right)} and {g.Sum(l => l.Refused)}"))
            + $"; the slowest answer came after {_lanes.Max(l => l.Longest).TotalSeconds:0.0} s");
    }

    /// <summary>After the end: what was acknowledged to anybody is there.</summary>
    public Task NothingIsLostAsync() => Task.WhenAll(_clients.Select(c => c.NothingIsLostAsync()));

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        // What failed was told by whoever waited for it.
        await Task.WhenAny(_running);
        foreach (var client in _clients)
            await client.DisposeAsync();
        _end.Dispose();
    }

    private async Task UntilAsync(Func<Lane, int> before, Func<Lane, int, bool> holds, string otherwise, TimeSpan within)
    {
        var since = TimeProvider.System.GetTimestamp();
        // A request under way may have been decided before: it does not count.
        var marks = _lanes.ConvertAll(lane => (Lane: lane, Before: before(lane) + (lane.IsAsking ? 1 : 0)));
        while (marks.Find(m => !holds(m.Lane, m.Before)) is { Lane: { } missing })
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < within, $"{missing.Surface.Name} {otherwise}");
            await GoOnAsync(Pause);
        }
    }

    /// <summary>Ends when all of them ended, or as soon as one fails.</summary>
    private async Task FirstFailureAsync(List<Task> tasks)
    {
        try
        {
            await foreach (var ended in Task.WhenEach(tasks))
                await ended;
        }
        catch
        {
            await _end.CancelAsync();
            throw;
        }
    }

    /// <summary>One client at one surface.</summary>
    private sealed class Lane(Surface surface)
    {
        private volatile bool _asking;
        private volatile int _right;
        private volatile int _refused;

        public Surface Surface { get; } = surface;

        public bool IsAsking => _asking;

        public int Right => _right;

        public int Refused => _refused;

        public TimeSpan Longest { get; private set; }

        public async Task RunAsync(CancellationToken end)
        {
            while (!end.IsCancellationRequested)
            {
                var since = TimeProvider.System.GetTimestamp();
                _asking = true;
                var answer = await Surface.AskOnceAsync();
                _asking = false;
                var took = TimeProvider.System.GetElapsedTime(since);
                Longest = took > Longest ? took : Longest;
                Assert.True(took < Bound, $"{Surface.Name} answered after {took.TotalSeconds:0.0} s");
                if (answer is not null)
                    _ = answer.Status == 503 ? _refused++ : _right++;
                await Task.Delay(Pause, CancellationToken.None);
            }
        }
    }
}
