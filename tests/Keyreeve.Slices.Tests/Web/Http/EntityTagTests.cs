using Keyreeve.Web.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace Keyreeve.Slices.Tests.Web.Http;

/// <summary>Tags on several lines mean the same as on one (RFC 9110 5.3), which a client library may not send.</summary>
public sealed class EntityTagTests
{
    [Theory]
    [InlineData(7L, "\"1\"", "\"7\"")]
    [InlineData(7L, "\"1\", \"7\"", "\"2\"")]
    [InlineData(-1L, "\"1\"", "\"2\"")]
    [InlineData(-1L, "\"7\"", "7")]
    [InlineData(-1L, "\"1\"", "W/\"7\"")]
    public void If_Match_on_several_lines_is_one_list(long expected, params string[] lines)
    {
        var request = new DefaultHttpContext().Request;
        request.Headers.IfMatch = new StringValues(lines);
        Assert.True(EntityTag.IsOfSeveral(request));
        Assert.Equal(expected, EntityTag.IfMatch(request, 7));
        Assert.Equal(-1, EntityTag.IfMatch(request, null));
    }

    [Fact]
    public void Without_the_header_any_version_is_good_and_none_is_known()
    {
        var request = new DefaultHttpContext().Request;
        Assert.Null(EntityTag.IfMatch(request, 7));
        Assert.False(EntityTag.IsOfSeveral(request));
        Assert.False(EntityTag.IsKnown(request, 7));
    }

    [Fact]
    public void If_None_Match_on_several_lines_is_one_list_and_compares_weakly()
    {
        var request = new DefaultHttpContext().Request;
        request.Headers.IfNoneMatch = new StringValues(["\"1\"", "W/\"7\""]);
        Assert.True(EntityTag.IsKnown(request, 7));
        Assert.False(EntityTag.IsKnown(request, 2));
    }
}
