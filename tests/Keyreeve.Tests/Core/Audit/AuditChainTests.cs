using System.Security.Cryptography;
using System.Text;
using Keyreeve.Core.Audit;
using Xunit;

namespace Keyreeve.Tests.Core.Audit;

public sealed class AuditChainTests
{
    private static readonly AuditEntry Entry = new() { Kind = "test", Outcome = AuditOutcome.Refused, At = 1_790_000_000_123 };

    [Fact]
    public void The_hash_is_that_of_previous_hash_number_and_line()
    {
        var previous = SHA256.HashData("before"u8);
        byte[] input = [.. previous, 0, 0, 0, 0, 0, 0, 1, 2, .. "{}"u8];
        Assert.Equal(SHA256.HashData(input), AuditChain.Next(previous, 258, "{}"u8));
        Assert.Equal(new byte[32], AuditChain.Genesis);
    }

    [Fact]
    public void Hash_number_and_line_all_count()
    {
        var hash = AuditChain.Next(AuditChain.Genesis, 1, "{}"u8);
        Assert.NotEqual(hash, AuditChain.Next(AuditChain.Genesis, 2, "{}"u8));
        Assert.NotEqual(hash, AuditChain.Next(AuditChain.Genesis, 1, "{ }"u8));
        Assert.NotEqual(hash, AuditChain.Next(hash, 1, "{}"u8));
    }

    [Fact]
    public void A_line_has_its_members_in_order_and_leaves_out_what_there_is_not()
    {
        Assert.Equal("""{"kind":"test","outcome":"Refused","at":1790000000123}""", Encoding.UTF8.GetString(Entry.ToCanonicalJson()));
        var full = Entry with { Outcome = AuditOutcome.Changed, Actor = "a", ClientId = "c", Subject = "s", Detail = "d", Source = "192.0.2.1", CorrelationId = "x" };
        Assert.Equal("""{"kind":"test","outcome":"Changed","at":1790000000123,"actor":"a","clientId":"c","subject":"s","detail":"d","source":"192.0.2.1","correlationId":"x"}""",
            Encoding.UTF8.GetString(full.ToCanonicalJson()));
    }

    [Fact]
    public void Nothing_a_peer_sends_breaks_out_of_its_member()
    {
        var line = Encoding.UTF8.GetString((Entry with { Detail = "\"},{\n\0\u001b[2J\ud800<é" }).ToCanonicalJson());
        Assert.Equal("""{"kind":"test","outcome":"Refused","at":1790000000123,"detail":"\u0022},{\n\u0000\u001B[2J\uFFFD\u003C\u00E9"}""", line);
    }
}
