using System.Data.Common;
using Keyreeve.Server.Sweeping;
using Keyreeve.Storage;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Keyreeve.Slices.Tests.Sweeping;

/// <summary>A store that is away is told of once, not once a minute for each kind of row.</summary>
public sealed class SweeperOutageTests
{
    private static CancellationToken None => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_outage_is_one_error_in_the_log_and_the_next_one_another()
    {
        var (clock, log) = (new SteppedClock(), new Lines());
        await using var away = new Away(clock, "");
        using var sweeper = new Sweeper(new Stores(away), clock, log);
        for (var minute = 0; minute < 30; minute++)
        {
            await sweeper.SweepAsync(None);
            clock.Minutes++;
        }
        Assert.Single(log.Errors);
        // It was back for a while, and goes away again.
        clock.Minutes += 60;
        await sweeper.SweepAsync(None);
        Assert.Equal(2, log.Errors.Count);
    }

    [Fact]
    public async Task A_kind_that_fails_by_itself_is_told_of_beside_the_outage()
    {
        var (clock, log) = (new SteppedClock(), new Lines());
        await using var away = new Away(clock, "broken");
        using var sweeper = new Sweeper(new Stores(away), clock, log);
        for (var minute = 0; minute < 5; minute++)
        {
            away.Turn = 0;
            await sweeper.SweepAsync(None);
            clock.Minutes++;
        }
        Assert.Equal(2, log.Errors.Count);
    }

    /// <summary>Its timestamps are minutes of the test.</summary>
    private sealed class SteppedClock : TimeProvider
    {
        public long Minutes { get; set; } = 1;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Minutes * 60;
    }

    private sealed class Lines : ILogger<Sweeper>
    {
        public List<string> Errors { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Error)
                Errors.Add(formatter(state, exception));
        }
    }

    /// <summary>A store that is away; the first kind of a round may fail for another reason.</summary>
    private sealed class Away(TimeProvider clock, string first) : IDatabase
    {
        public int Turn { get; set; } = first.Length == 0 ? 1 : 0;

        public string Node => "node-1";

        public TimeProvider Clock => clock;

        public string SkipLocked => "";

        public string? Announcement => null;

        public Task<T> ReadAsync<T>(Func<DbConnection, Task<T>> work, CancellationToken cancel) => throw new StoreUnavailableException("away");

        public Task<T> WriteAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => Fail<T>();

        public Task<T> WriteSharedAsync<T>(Func<UnitOfWork, Task<T>> work, CancellationToken cancel) => Fail<T>();

        public ValueTask<bool> LeadsAsync(string job, CancellationToken cancel) => new(true);

        public ValueTask ResignAsync(string job, CancellationToken cancel) => ValueTask.CompletedTask;

        public Task<IAsyncDisposable> AloneAsync(string what, CancellationToken cancel) => Task.FromResult<IAsyncDisposable>(this);

        public Task WaitForChangeAsync(TimeSpan atMost, CancellationToken cancel) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private Task<T> Fail<T>() => Turn++ == 0 ? throw new InvalidDataException(first) : throw new StoreUnavailableException("away");
    }
}
